"""From what the encoder saw to a guess: decoder(seen, mask) → (B, N, D)."""

from .light import Light
from .linear import Linear
from .predictor import Predictor
from .transformer import Transformer
from .white_box import WhiteBox

__all__ = ["Light", "Linear", "Predictor", "Transformer", "WhiteBox"]
