"""Widgets for notebooks: the Python halves. What draws them is built from `widgets/` into `static/`."""

from .attention_explorer import AttentionExplorer
from .engine import Answer, Engine, Turn
from .live import LiveWidget
from .mask_painter import MaskPainter
from .recipe_lab import RecipeLab
from .register_inspector import RegisterInspector
from .saliency_comparer import SaliencyComparer

__all__ = [
    "Answer", "AttentionExplorer", "Engine", "LiveWidget", "MaskPainter", "RecipeLab", "RegisterInspector", "SaliencyComparer",
    "Turn",
]  # fmt: skip
