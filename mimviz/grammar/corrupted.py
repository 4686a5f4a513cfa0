"""Masked models that spoil the picture before the encoder embeds it, and so need neither a mask token nor to leave patches out."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ..core import Mask, seeded
from .model import MaskedModel


class Corrupted(MaskedModel):
    """`how(images, mask, generator)` → images, e.g. `how.Corrupt`. Every patch is encoded; outside training how repeats itself."""

    def encode(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B K C"]:
        return self.encoder(self.encoder.embed(self.spoilt(images, mask)))

    def spoilt(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B 3 H W"]:
        """What the encoder sees."""
        return self.how(images, mask, None if self.training else seeded(0))
