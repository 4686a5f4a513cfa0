"""The same pictures without a browser."""

from .attention import show_heads
from .outcome import show_heatmap, show_outcome, show_picture

__all__ = ["show_heads", "show_heatmap", "show_outcome", "show_picture"]
