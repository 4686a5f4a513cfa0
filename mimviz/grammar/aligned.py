"""Masked models that predict what they see: the visible patches, as a teacher has them in the whole picture."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..core import Mask, Outcome
from .class_row import with_class
from .model import MaskedModel


class Aligned(MaskedModel):
    """What is predicted is always what is visible; `target.both` gives it. The class token, where both have one, is one more row.

    `scale`: the loss of a row is multiplied with it.
    """

    scale = 1.0

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        mask = Mask(mask.hidden, ~mask.hidden, mask.shape)
        guess, (whole, patches) = self.tokens(images, mask), self.target.both(images)
        where, seen = mask.keep_ids, guess[:, self.encoder.prefix :]
        truth = patches.gather(1, where[..., None].expand(-1, -1, patches.shape[-1]))
        outcome = Outcome(mask, seen, truth, self.scale * self.loss(seen, truth).mean(-1), where)
        if whole is None or not self.encoder.anatomy.class_tokens:
            return outcome
        return with_class(outcome, self.scale * self.loss(guess[:, :1], whole[:, None]).mean((1, 2)))

    def tokens(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B T D"]:
        """The guess for every token that is there, class and register tokens in front: (B, prefix + K, out)."""
        decoder: Any = self.decoder
        return decoder.head(self.encode(images, mask))

    def predict(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B K D"]:
        return self.tokens(images, mask)[:, self.encoder.prefix :]
