"""Widgets for notebooks: the Python halves. What draws them is built from `widgets/` into `static/`."""

from .attention_explorer import AttentionExplorer
from .dataset_explorer import DatasetExplorer
from .dataset_gallery import DatasetGallery
from .engine import Answer, Engine, Turn
from .judge_board import JudgeBoard
from .linking import Link, link
from .live import LiveWidget
from .mask_painter import MaskPainter
from .recipe_lab import RecipeLab
from .register_inspector import RegisterInspector
from .saliency_comparer import SaliencyComparer
from .studio import Studio
from .target_explorer import TargetExplorer
from .training_monitor import TrainingMonitor

__all__ = [
    "Answer", "AttentionExplorer", "DatasetExplorer", "DatasetGallery", "Engine", "JudgeBoard", "Link", "LiveWidget", "MaskPainter",
    "RecipeLab", "RegisterInspector", "SaliencyComparer", "TargetExplorer", "Studio", "TrainingMonitor", "Turn", "link",
]  # fmt: skip
