"""Keep: every patch is encoded as it is, and the recipe hides in another way (MP3, ICML 2022: hidden patches are never keys)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ...core import Mask


@dataclass(frozen=True)
class Keep:
    """content (B, N, C) → the same: with this word alone nothing is hidden from the encoder."""

    def __call__(self, content: Float[Tensor, "B N C"], mask: Mask) -> tuple[Float[Tensor, "B N C"], None]:
        return content, None
