"""A timm ViT, opened."""

from .encoder import Encoder, encoder
from .positions import sincos

__all__ = ["Encoder", "encoder", "sincos"]
