"""Assignments: which prototypes a teacher gives each patch (iBOT, Zhou et al., ICLR 2022, section 3.2, arXiv 2111.07832)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...core import Mask
from ..teacher import EMA
from .features import colours


class Assignments(nn.Module):
    """target(images, mask) → chances (B, N, count): softmax((scores − centre) / temperature) of a teacher that sees all.

    The centre, a slow mean of its scores, and the low temperature keep all from being given one prototype, or all of them evenly.
    patches: the temperature of patches, reached from `temperature` in `warmup` of the teacher's updates; the same unless told.
    `teacher` follows an encoder and its `decoders.Prototypes`; it lives in the masked model.
    """

    def __init__(
        self,
        teacher: EMA,
        count: int,
        *,
        temperature: float = 0.04,
        momentum: float = 0.9,
        patches: float | None = None,
        warmup: int = 0,
    ):
        super().__init__()
        self._teacher = (teacher,)
        self.temperature, self.momentum, self.patches, self.warmup = temperature, momentum, patches, warmup
        self.patch_centre: Tensor
        self.class_centre: Tensor
        self.register_buffer("patch_centre", torch.zeros(count))
        self.register_buffer("class_centre", torch.zeros(count))
        self._means: list[Tensor] = []

    @torch.no_grad()
    def both(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B N K"]]:
        """Chances for the class token and for the patches, from one pass."""
        teacher = self._teacher[0]
        scores = teacher.others[0].scores(teacher(images))  # type: ignore[operator]
        whole, patches = scores[:, 0], scores[:, teacher.encoder.prefix :]
        if self.training:
            self._means = [whole.mean(0), patches.mean((0, 1))]
        chances = ((whole - self.class_centre) / self.temperature).softmax(-1)
        return chances, ((patches - self.patch_centre) / self.patch_temperature).softmax(-1)

    @property
    def patch_temperature(self) -> float:
        """Of patches, now."""
        if self.patches is None:
            return self.temperature
        part = min(int(self._teacher[0].updates) / self.warmup, 1.0) if self.warmup else 1.0
        return self.temperature + part * (self.patches - self.temperature)

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N K"]:
        return self.both(images)[1]

    @property
    def count(self) -> int:
        """Prototypes."""
        return len(self.patch_centre)

    @torch.no_grad()
    def ids(self, images: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B N"]:
        """The likeliest prototype of every patch, 0..count − 1; the centres are not told of it."""
        kept, found = self._means, self(images).argmax(-1)
        self._means = kept
        return found

    def update(self) -> None:
        """Draws the centres to the scores of the last batch in training."""
        for centre, mean in zip((self.class_centre, self.patch_centre), self._means, strict=False):
            centre.lerp_(mean.to(centre), 1 - self.momentum)
        self._means = []

    def draw(self, rows: Float[Tensor, "B N K"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Three principal components of the chances as colours."""
        return colours(rows.softmax(-1) if rows.min() < 0 else rows, like).unflatten(1, self._teacher[0].grid.shape)
