"""Further: visible patches that are to be predicted too (CCViT, arXiv 2303.04664), or in place of the hidden ones (DropPos)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask
from .blocks import Blocks


@dataclass(frozen=True)
class Further:
    """where(images, grid) → Mask of the word `base`, in which a share `ratio` of the visible patches is to be predicted besides.

    alone: those and not the hidden ones. What a recipe does to such patches is its own affair. `of` does the same to a mask that
    is there already. Equal numbers in all pictures that hide equally many, at least one where any is visible and ratio > 0.
    """

    base: Callable[..., Mask] = field(default_factory=Blocks)
    ratio: float = 0.165
    alone: bool = False

    def __post_init__(self):
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio is {self.ratio}, but it must lie in 0..1: the share of visible patches to predict")

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return self.of(grid.check(self.base(images, grid, generator)), generator)

    def of(self, mask: Mask, generator: Generator | None = None) -> Mask:
        """The same patches hidden; which ones to predict is drawn anew."""
        noise = torch.rand(mask.hidden.shape, generator=generator).to(mask.hidden.device).masked_fill(mask.hidden, 2)
        visible = (~mask.hidden).sum(1, keepdim=True)
        count = (self.ratio * visible).round().clamp(min=int(self.ratio > 0))
        chosen = (noise.argsort(1).argsort(1) < count) & ~mask.hidden
        return Mask(mask.hidden, chosen if self.alone else chosen | mask.hidden, mask.shape)
