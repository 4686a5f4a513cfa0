"""From what the encoder saw to a guess: decoder(seen, mask) → (B, N, D)."""

from .linear import Linear
from .transformer import Transformer

__all__ = ["Linear", "Transformer"]
