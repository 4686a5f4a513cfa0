"""Morphing Tokens Draw Strong Masked Image Models. Kim, Heo, Han. ICLR 2025. arXiv 2401.00254.

A teacher's features of neighbouring patches contradict each other, which is hard to learn from. So patches that are alike to the
teacher become groups, in a number that varies from step to step, and the mean of a group's guesses shall be the mean of its
features: "dynamic token morphing". `model.target.groups(images, merges=…)` shows the groups. Groups equal those of
facebookresearch/ToMe; the loss follows the authors' code (naver-ai/dtm, engines/engine_for_dtm.py) by a naive twin
(tests/recipes/test_dtm.py): two schedules a step, the loss is over all patches, hidden or not, so that a group counts with its
size; blocks hide 40 %. Without a merge it is MaskDistill's sentence, bit for bit. The code's default is smooth L1; the paper's
cosine is the default here. There the first token never merges, here any may. CLIP is the authors' teacher, a frozen copy of the
encoder is here unless one is given.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..core import Mask, Outcome, seeded
from ..grammar import Frozen, MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import SmoothL1, cosine
from ..grammar.targets import Morphed
from ..grammar.targets.morphed import group_means, morphed
from ..grammar.where import Blocks
from ..vit import Encoder


class DTM(MaskedModel):
    """Every patch is predicted; the loss of a patch is that of its group, mean over `schedules` groupings."""

    schedules: int = 2
    merges: int | None = None

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        mask = Mask(mask.hidden, torch.ones_like(mask.hidden), mask.shape)
        guess, truth = self.predict(images, mask), self.target(images, mask)
        where = torch.arange(self.grid.count, device=images.device).expand(len(images), -1)
        losses = [self.loss(group_means(guess, each)[0], group_means(truth, each)[0]) for each in self.groupings(truth)]
        return Outcome(mask, guess, truth, torch.stack(losses).mean(0).mean(-1), where)

    def groupings(self, truth: Float[Tensor, "B N D"]) -> list[Int[Tensor, "B N"]]:
        """Groups by drawn schedules, always the same outside training; by `merges` where these are given."""
        generator = None if self.training else seeded(0)
        drawn = [self.target.schedule(generator) for _ in range(self.schedules)]
        return [morphed(truth, merges if self.merges is None else self.merges, rounds) for merges, rounds in drawn]


def dtm(
    encoder: Encoder, *, ratio=0.4, share=1.0, rounds=14, schedules=2, merges: int | None = None,
    loss: Literal["cosine", "smooth l1"] = "cosine", teacher: nn.Module | None = None,
) -> DTM:  # fmt: skip
    """share, rounds: the most merges, as a share of all patches, and the most rounds of a schedule. merges: always so many."""
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    target = Morphed(frozen, share=share, rounds=rounds)
    where = Blocks.on(encoder.grid, ratio)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    model = DTM(
        encoder, where=where, how=MaskToken(encoder.content_width), target=target, decoder=decoder,
        loss=cosine if loss == "cosine" else SmoothL1(2.0), teacher=frozen, name="dtm",
    )  # fmt: skip
    model.schedules, model.merges = schedules, merges
    return model
