"""Where to hide: where(images, grid, generator=None) → Mask. Scores (`Noise`, `GridWise`) feed the pick `Highest`."""

from functools import partial

from .attended import Attended, Attention
from .blocks import Blocks
from .coloured import Coloured
from .grid_wise import GridWise
from .groups import Groups
from .hardest import Hardest, PredictedLoss
from .highest import Highest
from .multi_block import MultiBlock
from .noise import Noise
from .partition import Partition
from .parts import Parts
from .regions import Regions, Superpixels
from .sampled import Sampled
from .units import Units

STRATEGIES = {"random": Highest, "block": Blocks, "grid": partial(Highest, score=GridWise()), "simmim": Units}
"""What menus offer: each makes a word from a ratio."""

__all__ = [
    "STRATEGIES", "Attended", "Attention", "Blocks", "Coloured", "GridWise", "Groups", "Hardest", "Highest",
    "MultiBlock", "Noise", "Partition", "Parts", "PredictedLoss", "Regions", "Sampled", "Superpixels", "Units",
]  # fmt: skip
