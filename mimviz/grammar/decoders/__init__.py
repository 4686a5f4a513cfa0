"""From what the encoder saw to a guess: decoder(seen, mask) → (B, N, D)."""

from .alignment import Alignment
from .channel_wise import ChannelWise
from .coder import Coder
from .cross import Cross
from .cross_attention import CrossAttention
from .directions import Directions
from .latent import Latent
from .light import Light
from .linear import Linear
from .neck import Gather, Neck
from .pointwise import Pointwise
from .predictor import Predictor
from .prototypes import Prototypes
from .queries import Queries
from .region import RegionDecoder
from .regressor import FromHidden, Regressor
from .rescaled import Locals, Rescaled
from .transformer import Transformer
from .unplaced import Unplaced
from .visible import Visible
from .white_box import WhiteBox
from .whole import Whole

__all__ = [
    "Alignment", "ChannelWise", "Coder", "Cross", "CrossAttention", "Directions", "FromHidden", "Gather", "Latent",
    "Light", "Linear", "Locals", "Neck", "Pointwise", "Predictor", "Prototypes", "Queries", "RegionDecoder",
    "Regressor", "Rescaled", "Transformer", "Unplaced", "Visible", "WhiteBox", "Whole",
]  # fmt: skip
