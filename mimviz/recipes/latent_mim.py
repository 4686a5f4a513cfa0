"""Towards Latent Masked Image Modeling for Self-Supervised Visual Representation Learning. Wei et al. ECCV 2024. arXiv 2407.15837.

MAE in which the target is learnt along: what a slow copy of the encoder makes of the hidden patches. Four things keep the two from
agreeing on nothing, and three are switches: the slow copy (`branch`), a loss that tells the patches of a picture apart in place of
squared error (`contrast`), patches cut with gaps between them (`gap`, in training), a decoder whose queries look at what is seen.
Equal to the authors' code on the same weights (yibingwei-1/LatentMIM, models_lmim.py, as configs/lmim.yaml says; a naive twin is in
tests/recipes/test_latent_mim.py): 20 of 196 patches are seen, the copy sees the others alone, τ = 0.2, momentum 0.99 → 1,
three-layer projections. `similar` weighs its penalty on how alike patches are on average, 0 there.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.decoders import Latent
from ..grammar.how import Drop
from ..grammar.how.gap import gapped
from ..grammar.losses import PatchContrast, squared
from ..grammar.targets import Latents
from ..grammar.targets.latents import Branch
from ..grammar.where import Highest
from ..vit import Encoder


class LatentMIM(MaskedModel):
    """`project`: what is behind the encoder while it learns; rows of the outcome are the hidden patches."""

    project: nn.Module
    gap: int = 0
    similar: float = 0.0

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        images = gapped(images, self.grid, self.gap) if self.training else images
        seen = self.project(self.encode(images, mask))
        guess, truth = self.decoder(seen, mask), self.target(images, mask)
        alike = [PatchContrast.cosines(x, x).mean() for x in (guess, seen[:, self.encoder.prefix :])]
        terms = {"similarity": self.similar * ((torch.stack(alike) - self.goal) ** 2).sum()} if self.similar else {}
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), mask.hidden_ids, None, terms)

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        return self.decoder(self.project(self.encode(images, mask)), mask)

    @property
    def goal(self) -> float:
        """How alike patches of a picture shall be on average: 0.75 → 0.25, as the teacher's momentum goes."""
        part = min(int(self.teacher.updates) / self.teacher.steps, 1.0)  # type: ignore[union-attr]
        return 0.25 + 0.25 * (1 + math.cos(math.pi * part))

    @torch.no_grad()
    def looks(self, images: Tensor, mask: Mask) -> list[Tensor]:
        """For every block of the decoder (B, heads, N, N): how much each hidden patch (row) looks at each visible one."""
        return self.decoder.looks(self.project(self.encode(images, mask)), mask)  # type: ignore[operator]

    def after_step(self) -> None:
        self.teacher.update(self.encoder, self.project)  # type: ignore[union-attr]


def latent_mim(
    encoder: Encoder, *, ratio=0.9, branch: Branch = "slow", contrast=True, tau=0.2, gap=4, similar=0.0, whole=False,
    hidden=4096, dim=512, depth=3, heads=None, momentum=0.99, end=1.0, steps=1000,
) -> LatentMIM:  # fmt: skip
    """whole: the slow copy sees all. gap: in pixels. hidden: width of the projection. momentum: goes to `end` in `steps`."""
    width = encoder.width
    layers = [(nn.Linear(a, b, bias=False), nn.LayerNorm(b), nn.GELU()) for a, b in pairwise((width, hidden, hidden, width))]
    project = nn.Sequential(*[part for layer in layers for part in layer])[:-1]
    teacher = EMA(encoder, project, momentum=momentum, end=end, steps=steps, schedule="cosine")
    decoder = Latent(width, width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads)
    model = LatentMIM(
        encoder, where=Highest(ratio), how=Drop(), target=Latents(teacher, encoder, project, branch, whole), decoder=decoder,
        loss=PatchContrast(tau) if contrast else squared, teacher=teacher, name="latent_mim",
    )  # fmt: skip
    model.project, model.gap, model.similar = project, gap, similar
    return model
