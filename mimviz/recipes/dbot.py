"""Exploring Target Representations for Masked Autoencoders. Liu, Zhou, Kong, Lin, Ji. ICLR 2024. arXiv 2209.03917.

Which teacher hardly matters, so begin with none: a MAE that predicts what a frozen copy of itself says, untrained; then the student
becomes the teacher, a new one begins, and so on: `next_stage()`. Equal to the authors' code on the same weights (liuxingbin/dbot,
models_mae.py; stages of main_pretrain.py; a naive twin is in tests/recipes/test_dbot.py): targets are the last block's tokens
before the final norm, each normed with the unbiased variance; smooth L1 with β = 2 where hidden and at the class token; the next
student and its decoder are drawn anew. There the optimizer goes on through all stages, here `fit` begins a new one for each.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import Frozen, MaskedModel
from ..grammar.class_row import with_class
from ..grammar.decoders import Transformer
from ..grammar.how import Drop
from ..grammar.losses import SmoothL1
from ..grammar.targets import Features
from ..grammar.where import Highest
from ..vit import Encoder, redraw


class DBOT(MaskedModel):
    """`stage`: how many teachers there were before this one."""

    stage: Tensor

    def staged(self, make: Any) -> DBOT:
        """make(width of the target) → a new decoder."""
        self.make = make
        self.register_buffer("stage", torch.zeros((), dtype=torch.long))
        return self

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        decoder: Any = self.decoder
        guess, (whole, truth) = decoder.tokens(self.encode(images, mask), mask), self.target.both(images)
        rows = guess[:, self.encoder.prefix :]
        where = torch.arange(self.grid.count, device=images.device).expand(len(images), -1)
        outcome = Outcome(mask, rows, truth, self.loss(rows, truth).mean(-1), where)
        if whole is None or not self.encoder.anatomy.class_tokens:
            return outcome
        return with_class(outcome, self.loss(guess[:, :1], whole[:, None]).mean((1, 2)))

    def next_stage(self) -> None:
        """The student becomes the teacher; weights of a new student and its decoder are drawn. Call it between two runs of `fit`.

        Raises TypeError for an encoder of which timm does not say how its weights are drawn; then nothing has changed.
        """
        teacher, width = Frozen(self.encoder, student=self.encoder).to(self.device), self.encoder.width
        redraw(self.encoder)
        self.teacher, self.target = teacher, replace(self.target, teacher=teacher)
        self.decoder = self.make(width).to(self.device)
        self.stage += 1


def dbot(
    encoder: Encoder, *, ratio=0.75, beta=2.0, dim=512, depth=8, heads=None, teacher: nn.Module | None = None
) -> DBOT:
    """dim, depth, heads: of the decoder. teacher: the first, a timm model or Encoder; a copy of the encoder unless told."""
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    grid, prefix = encoder.grid, encoder.prefix
    make = partial(Transformer, encoder.width, grid=grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
    return DBOT(
        encoder, where=Highest(ratio), how=Drop(), target=Features(frozen, top=1, whole="patch"), decoder=make(frozen.width),
        loss=SmoothL1(beta), teacher=frozen, name="dbot",
    ).staged(make)  # fmt: skip
