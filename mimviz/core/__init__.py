"""The values that everything else speaks in: Grid, Mask, Heatmap, Picture, Outcome, Score."""

from .describe import Description, describe
from .drawing import drawing
from .grid import Grid
from .heatmap import Heatmap
from .mask import Mask, keep_count, seeded
from .outcome import Outcome
from .picture import Picture
from .score import Curve, Score

__all__ = [
    "Curve", "Description", "Grid", "Heatmap", "Mask", "Outcome", "Picture", "Score", "describe", "drawing",
    "keep_count", "seeded",
]  # fmt: skip
