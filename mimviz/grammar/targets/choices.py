"""Choices: which prototypes a teacher chooses for the whole picture (MSN, Assran et al., ECCV 2022, arXiv 2204.07141)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask
from ...vit import Encoder
from ..sinkhorn import sinkhorn
from ..teacher import EMA


class Choices(nn.Module):
    """target(images, mask) → chances (B, N, count), each patch with its picture's: softmax(cosine / (temperature · sharpen)).

    teacher: follows the encoder and the layers of `prototypes` (`decoders.Prototypes`), whose directions both share; both live in
    the masked model. equal: in training Sinkhorn's scaling gives every prototype a like share of the batch.
    """

    def __init__(self, teacher: EMA, prototypes: Any, *, sharpen: float = 0.25, equal: bool = True):
        super().__init__()
        self._asked = (teacher, prototypes)
        self.sharpen, self.equal = sharpen, equal

    @torch.no_grad()
    def of(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """One row for each picture."""
        teacher, prototypes = self._asked
        cosines = prototypes.cosines(teacher.others[0](summary(teacher(images), teacher.encoder)))
        chances = (cosines / (prototypes.temperature * self.sharpen)).softmax(-1)
        return sinkhorn(chances) if self.equal and self.training else chances

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N K"]:
        return self.of(images)[:, None].expand(-1, self._asked[0].grid.count, -1)


def summary(tokens: Float[Tensor, "B T C"], encoder: Encoder) -> Float[Tensor, "B C"]:
    """The class token; of a model without one, the mean of the patches."""
    return tokens[:, 0] if encoder.anatomy.class_tokens else tokens[:, encoder.prefix :].mean(1)
