"""Where to hide: where(images, grid, generator=None) → Mask. Scores (`Noise`, `GridWise`) feed the pick `Highest`."""

from functools import partial

from .blocks import Blocks
from .grid_wise import GridWise
from .highest import Highest
from .multi_block import MultiBlock
from .noise import Noise
from .units import Units

STRATEGIES = {"random": Highest, "block": Blocks, "grid": partial(Highest, score=GridWise()), "simmim": Units}
"""What menus offer: each makes a word from a ratio."""

__all__ = ["STRATEGIES", "Blocks", "GridWise", "Highest", "MultiBlock", "Noise", "Units"]
