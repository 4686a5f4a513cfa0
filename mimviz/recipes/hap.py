"""HAP: Structure-Aware Masked Image Modeling for Human-Centric Perception. Yuan et al. NeurIPS 2023. arXiv 2310.20695.

MAE that hides parts of the body first, and sees each picture under two such masks whose class tokens must agree (InfoNCE over the
batch). Parts are boxes; without key points a standing figure is the stand-in. Read beside junkunyuan/HAP: half of the patches
hidden, the two reconstructions averaged, temperature 0.2, each direction times 2τ and with no gradient into the keys, weight
0.05; that code hides at most 0.3 of a part at random, the paper and this file all of it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.where import Parts
from ..vit import Encoder
from .mae import mae


def alignment(a: Float[Tensor, "B C"], b: Float[Tensor, "B C"], *, temperature: float = 0.2) -> Float[Tensor, ""]:
    """2τ · InfoNCE(a → b) + 2τ · InfoNCE(b → a): row i of one belongs to row i of the other."""
    a, b = F.normalize(a.float(), dim=1), F.normalize(b.float(), dim=1)
    own = torch.arange(len(a), device=a.device)
    ways = [F.cross_entropy(x @ y.detach().T / temperature, own) for x, y in ((a, b), (b, a))]
    return 2 * temperature * (ways[0] + ways[1])


class HAP(MaskedModel):
    """Without a mask each picture is seen twice: the outcome is of 2 · B pictures, first all of one view, then all of the other."""

    weight: float = 0.05

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if mask is not None or not self.weight:
            return super().forward(images, mask)
        views = [self.where(images, self.grid) for _ in range(2)]
        both = Mask(torch.cat([view.hidden for view in views]), shape=self.grid.shape)
        twice = torch.cat([images, images])
        seen = self.encode(twice, both)
        outcome = self.compare(self.decoder(seen, both), twice, both)
        summary = seen[:, 0] if self.encoder.anatomy.class_tokens else seen[:, self.encoder.prefix :].mean(1)
        term = self.weight * alignment(*summary.chunk(2))
        return replace(outcome, terms={"alignment": term})


def hap(encoder: Encoder, *, ratio=0.5, weight=0.05, boxes=None, normalize=True, dim=512, depth=8, heads=None) -> HAP:
    """boxes: of the parts, see `grammar.where.Parts`. weight: of the alignment; 0 leaves MAE, parts first, on one view."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    where = Parts(ratio) if boxes is None else Parts(ratio, boxes)
    model = HAP(
        encoder, where=where, how=base.how, target=base.target, decoder=base.decoder, loss=base.loss, name="hap"
    )
    model.weight = weight
    return model
