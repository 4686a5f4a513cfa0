"""Assignments: which prototypes a teacher gives each patch (iBOT, Zhou et al., ICLR 2022, section 3.2, arXiv 2111.07832)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask
from ..teacher import EMA
from .features import colours


class Assignments(nn.Module):
    """target(images, mask) → chances (B, N, count): softmax((scores − centre) / temperature) of a teacher that sees all.

    The centre, a slow mean of its scores, and the low temperature keep all from being given one prototype, or all of them evenly.
    `teacher` follows an encoder and its `decoders.Prototypes`; it lives in the masked model.
    """

    def __init__(self, teacher: EMA, count: int, *, temperature: float = 0.04, momentum: float = 0.9):
        super().__init__()
        self._teacher = (teacher,)
        self.temperature, self.momentum = temperature, momentum
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
        return tuple(
            ((x - centre) / self.temperature).softmax(-1)
            for x, centre in ((whole, self.class_centre), (patches, self.patch_centre))
        )  # type: ignore[return-value]

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N K"]:
        return self.both(images)[1]

    def update(self) -> None:
        """Draws the centres to the scores of the last batch in training."""
        for centre, mean in zip((self.class_centre, self.patch_centre), self._means, strict=False):
            centre.lerp_(mean.to(centre), 1 - self.momentum)
        self._means = []

    def draw(self, rows: Float[Tensor, "B N K"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Three principal components of the chances as colours."""
        return colours(rows.softmax(-1) if rows.min() < 0 else rows, like).unflatten(1, self._teacher[0].grid.shape)
