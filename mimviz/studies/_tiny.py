"""Small masked models of any width, that train in minutes."""

from __future__ import annotations

from typing import Any

from ..grammar import MaskedModel
from ..recipes import simmim
from ..vit import encoder


def tiny_simmim(width: int, *, size: int, patch: int = 4, depth: int = 4) -> MaskedModel:
    """SimMIM with a small ViT of this width, 16 to a head; `size` and `patch` in pixels."""
    options: Any = {"embed_dim": width, "depth": depth, "num_heads": max(width // 16, 1)}
    return simmim(encoder("vit_tiny_patch16_224", img_size=size, patch_size=patch, **options))
