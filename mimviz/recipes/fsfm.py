"""FSFM: A Generalizable Face Security Foundation Model. Wang et al. CVPR 2025. arXiv 2412.12032.

MAE that hides one region whole and the others in proportion (CRFR-P), looks harder at that region, and asks that the masked
view and a slow copy's whole view mean the same. Made for faces with a parser; any labels will do, and superpixels are the
stand-in. Read beside wolo-wolo/FSFM-CVPR25: weights 0.007 and 0.1, a two-block decoder before the projector, negative cosine,
momentum 0.996 → 1. Its regions overlap and are cut to fit at the end; here each patch is of one region and quotas are exact.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.where import Regions
from ..vit import Encoder
from .mae import mae


class FSFM(MaskedModel):
    """With a mask from outside there is no chosen region, so its term is left out."""

    project: nn.Module
    predict_view: nn.Module
    weights: tuple[float, float] = (0.007, 0.1)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if mask is None and isinstance(self.where, Regions):
            mask, chosen = self.where.draw(images, self.grid)
        else:
            mask, chosen = self._mask(images, mask), None
        seen = self.encode(images, mask)
        outcome, terms = self.compare(self.decoder(seen, mask), images, mask), {}
        if chosen is not None and self.weights[0]:
            terms["region"] = self.weights[0] * outcome.patch_loss[chosen].mean()
        if self.weights[1]:
            own = self.predict_view(self._summary(self.project, seen, mask))
            terms["view"] = -self.weights[1] * F.cosine_similarity(own, self._whole(images), dim=-1).mean()
        return replace(outcome, terms=terms)

    def after_step(self) -> None:
        self.teacher.update(self.encoder, self.project)  # type: ignore[union-attr]

    @torch.no_grad()
    def _whole(self, images: Tensor) -> Tensor:
        """(B, dim): what the slow copy makes of the whole picture."""
        nothing = Mask.none(self.grid).to(images.device).expand(len(images))
        return self._summary(self.teacher.others[0], self.teacher(images), nothing)  # type: ignore[union-attr]

    @staticmethod
    def _summary(project: nn.Module, tokens: Tensor, mask: Mask) -> Tensor:
        decode, head = project.children()
        return head(decode(tokens, mask).mean(1))


def fsfm(
    encoder: Encoder, *, ratio=0.75, weights=(0.007, 0.1), labels=None, steps=1000, projection=256, hidden=4096,
    normalize=True, dim=512, depth=8, heads=None,
) -> FSFM:  # fmt: skip
    """weights: of the region's and the view's term. labels: of patches, see `grammar.where.Regions`. dim, depth, heads: MAE's."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    two = Transformer(encoder.width, encoder.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=2, heads=heads)
    project = nn.Sequential(two, _head(encoder.width, hidden, projection))
    where = Regions(ratio) if labels is None else Regions(ratio, labels)
    model = FSFM(
        encoder, where=where, how=base.how, target=base.target, decoder=base.decoder, loss=base.loss, name="fsfm",
        teacher=EMA(encoder, project, momentum=0.996, end=1.0, steps=steps),
    )  # fmt: skip
    model.project, model.predict_view, model.weights = project, _head(projection, hidden, projection), tuple(weights)
    return model


def _head(width: int, hidden: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, out))
