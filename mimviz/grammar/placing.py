"""Masked models that say of each patch where it lies."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..core import Mask
from ..vit import Encoder, evaluating
from ..vit.encoders.plain import PlainPass, table
from .jigsaw import assembled, seats
from .model import MaskedModel


class Placing(MaskedModel):
    """The guess is a score for every place, (B, M, N); visible patches that are not asked keep their place."""

    @torch.no_grad()
    def positions(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N N"]:
        """Log-probabilities of all places for each patch; NaN rows for those that were not seen."""
        with evaluating(self):
            outcome = self(images, mask)
        logs = outcome.guess.float().log_softmax(-1)
        table = torch.full((len(logs), *[self.grid.count] * 2), torch.nan, device=logs.device)
        table.scatter_(1, outcome.where[..., None].expand_as(logs), logs)
        told = ~outcome.mask.hidden & ~outcome.mask.predict
        return torch.where(told[..., None], torch.eye(self.grid.count, device=logs.device).log(), table)

    def seats(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Int[Tensor, "B N"]:
        """The place that each patch gets when no two may have the same; −1 for those that were not seen."""
        return seats(self.positions(images, mask))

    def assembled(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B 3 H W"]:
        """The pictures as the guesses put them together, 0 where nobody sits."""
        return assembled(images, self.seats(images, mask), self.grid)


def places(encoder: Encoder) -> tuple[Tensor, Tensor]:
    """The table of a plain ViT: positions of its prefix tokens (1, 0 or prefix, width) and of its patches (1, N, width).

    Raises TypeError for an encoder whose positions are no such table.
    """
    if encoder.anatomy.family != "VisionTransformer" or encoder.anatomy.positions != "learned":
        raise TypeError(
            f"rows are taken off a plain ViT's table of positions, but this encoder is a {encoder.anatomy.family} with positions "
            f"{encoder.anatomy.positions!r}"
        )
    known: Any = table(encoder.vit, encoder.grid.shape)
    return known.split([known.shape[1] - encoder.grid.count, encoder.grid.count], dim=1)


def without_places(
    encoder: Encoder,
    content: Float[Tensor, "B K C"],
    ids: Int[Tensor, "B K"] | None,
    lost: Bool[Tensor, "B N"],
    token: Float[Tensor, "1 1 C"],
) -> Float[Tensor, "B T C"]:
    """A plain ViT's pass in which the patches that are `lost` have `token` in the place of their position."""
    (front, own), vit, through = places(encoder), encoder.vit, cast(PlainPass, encoder.through)
    own = torch.where(lost[..., None], token.to(own.dtype), own)
    known = torch.cat([front.expand(len(own), -1, -1), own], dim=1)
    return vit.norm(vit.blocks(through.sequence(vit, content, ids, known)))
