"""What is to be predicted: target(images, mask) → (B, N, D).

A word that knows how its rows look has `draw(rows, *, like=None) → (B, H, W, 3)`, RGB in 0..1, H and W multiples of the grid's rows
and columns; `like` are rows that set the colours of both where these are fitted (a PCA), so that guess and truth can be compared.
"""

from .assignments import Assignments
from .choices import Choices
from .clusters import Clusters
from .codes import Codes
from .features import Features
from .hog import HOG
from .joined import Joined
from .latents import Latents
from .layers import Layers
from .low_pass import LowPass
from .morphed import Morphed
from .ndi import NDI
from .normed import Normed
from .pixels import Pixels
from .positions import Positions
from .projected import Projected
from .region_maps import RegionMaps
from .scales import Scales
from .tiles import Tiles
from .vqkd import VQKD

__all__ = [
    "Assignments", "Choices", "Clusters", "Codes", "Features", "HOG", "Joined", "Latents", "Layers", "LowPass",
    "Morphed", "NDI", "Normed", "Pixels", "Positions", "Projected", "RegionMaps", "Scales", "Tiles", "VQKD",
]  # fmt: skip
