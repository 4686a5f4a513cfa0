"""The same pictures without a browser."""

from .outcome import show_heatmap, show_outcome, show_picture

__all__ = ["show_heatmap", "show_outcome", "show_picture"]
