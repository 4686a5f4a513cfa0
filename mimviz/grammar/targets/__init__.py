"""What is to be predicted: target(images, mask) → (B, N, D)."""

from .pixels import Pixels

__all__ = ["Pixels"]
