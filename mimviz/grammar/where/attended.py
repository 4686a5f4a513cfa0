"""Attended: hide what a teacher looks at (AttMask, Kakogeorgiou et al., ECCV 2022, section 3, arXiv 2203.12719)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ...core import Grid, Heatmap, Mask
from ..teacher import Teacher

Mode = Literal["high", "low", "hint"]


@dataclass(frozen=True)
class Attention:
    """Scores: how much the class token of a teacher looks at each patch in `layer`, mean over heads."""

    teacher: Teacher = field(repr=False)
    layer: int = -1

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        seen = self.teacher.attention(images, layer=self.layer).mean(1)
        return Heatmap(seen.reshape(-1, *grid.shape), by=self)


@dataclass(frozen=True)
class Attended:
    """where(images, grid) → Mask of ⌊ratio · N⌋ patches by `score`.

    mode: "high" hides the highest, "low" the lowest; "hint" hides the highest and shows ⌊show · N⌋ of the top ⌊top · N⌋ again,
    at random.
    """

    score: Attention
    ratio: float = 0.5
    mode: Mode = "high"
    show: float = 0.1
    top: float = 0.3

    def __post_init__(self):
        if self.mode not in ("high", "low", "hint"):
            raise ValueError(f"mode is {self.mode!r}, but 'high', 'low' or 'hint' is wanted")
        if not 0 <= self.show <= self.top <= 1 or not 0 <= self.ratio <= 1:
            raise ValueError(
                f"ratio is {self.ratio}, show {self.show} and top {self.top}, but shares with show ≤ top are wanted"
            )

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return Mask(self.pick(self.score(images, grid).values.flatten(1), generator), shape=grid.shape)

    def pick(self, attention: Float[Tensor, "B N"], generator: Generator | None = None) -> Tensor:
        """(B, N): what is hidden, given the attention."""
        N = attention.shape[1]
        order = attention.argsort(dim=1, descending=self.mode != "low")
        hidden = torch.zeros_like(attention, dtype=torch.bool).scatter(1, order[:, : int(N * self.ratio)], True)
        if self.mode != "hint":
            return hidden
        noise = torch.rand(len(order), int(N * self.top), generator=generator).to(order.device)
        shown = order.gather(1, noise.argsort(1)[:, : int(N * self.show)])
        return hidden.scatter(1, shown, False)
