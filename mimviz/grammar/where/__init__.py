"""Where to hide: where(images, grid, generator=None) → Mask. Scores (`Noise`, `GridWise`) feed the pick `Highest`."""

from .blocks import Blocks
from .grid_wise import GridWise
from .highest import Highest
from .noise import Noise
from .units import Units

__all__ = ["Blocks", "GridWise", "Highest", "Noise", "Units"]
