"""Widgets for notebooks: the Python halves. What draws them is built from `widgets/` into `static/`."""

from .engine import Answer, Engine, Turn
from .live import LiveWidget
from .mask_painter import MaskPainter

__all__ = ["Answer", "Engine", "LiveWidget", "MaskPainter", "Turn"]
