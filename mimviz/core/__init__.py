"""The values that everything else speaks in: Grid, Mask, Heatmap, Picture, Outcome."""

from .describe import Description, describe
from .grid import Grid
from .heatmap import Heatmap
from .mask import Mask, keep_count, seeded
from .outcome import Outcome
from .picture import Picture

__all__ = ["Description", "Grid", "Heatmap", "Mask", "Outcome", "Picture", "describe", "keep_count", "seeded"]
