"""Where to hide: where(images, grid, generator=None) → Mask. Scores (`Noise`, `GridWise`) feed the pick `Highest`."""

from functools import partial

from .attended import Attended, Attention
from .attentive import Attentive
from .blocks import Blocks
from .coloured import Coloured
from .further import Further
from .grid_wise import GridWise
from .groups import Groups
from .hardest import Hardest, PredictedLoss
from .highest import Highest
from .inverse_block import InverseBlock
from .inverted import Inverted
from .multi_block import MultiBlock
from .noise import Noise
from .painted import Painted
from .partition import Partition
from .parts import Parts
from .pointed import Pointed
from .reading import Spectrum, average_distance, spectrum
from .regions import Regions, Superpixels
from .sampled import Sampled
from .some import Some
from .sometimes import Sometimes
from .units import Units
from .varying import Varying

STRATEGIES = {
    "random": Highest, "block": Blocks, "grid": partial(Highest, score=GridWise()), "simmim": Units,
    "multi-block": MultiBlock.hiding, "regions": Regions, "parts": Parts,
    "red noise": partial(Highest, score=Coloured("red")), "green noise": partial(Highest, score=Coloured("green")),
    "blue noise": partial(Highest, score=Coloured("blue")), "purple noise": partial(Highest, score=Coloured("purple")),
}  # fmt: skip
"""What menus offer: each makes a word from a ratio. They hide ⌈ratio · N⌉ patches, but for "multi-block" about as many."""

GUIDED = {
    "attended": lambda teacher, ratio: Attended(Attention(teacher), ratio),
    "least attended": lambda teacher, ratio: Attended(Attention(teacher), ratio, "low"),
    "attended, with hints": lambda teacher, ratio: Attended(Attention(teacher), ratio, "hint"),
}
"""What menus offer where there is a teacher (`grammar.Teacher`): each makes a word from it and a ratio. `Pointed` makes a score of
a lens, `Painted` a word of a mask; `Hardest` and `Sampled` come with the model that learns them (`recipes.hpm(…).where`)."""

__all__ = [
    "GUIDED", "STRATEGIES", "Attended", "Attention", "Attentive", "Blocks", "Coloured", "Further", "GridWise",
    "Groups", "Hardest", "Highest", "InverseBlock", "Inverted", "MultiBlock", "Noise", "Painted", "Partition",
    "Parts", "Pointed", "PredictedLoss", "Regions", "Sampled", "Some", "Sometimes", "Spectrum", "Superpixels",
    "Units", "Varying", "average_distance", "spectrum",
]  # fmt: skip
