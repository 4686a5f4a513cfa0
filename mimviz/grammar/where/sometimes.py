"""Sometimes: blocks of another ratio in each picture, and in some none (iBOT, Zhou et al., ICLR 2022, arXiv 2111.07832)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask
from .blocks import Blocks


@dataclass(frozen=True)
class Sometimes:
    """where(images, grid) → Mask: with `chance` blocks of ratio − spread .. ratio + spread, drawn evenly, else nothing is hidden.

    The first picture of a batch always hides something, so that there is something to predict.
    """

    ratio: float = 0.3
    spread: float = 0.2
    chance: float = 0.5
    smallest: int = 16

    def __post_init__(self):
        if not 0 < self.ratio - self.spread <= self.ratio + self.spread < 1 or not 0 <= self.chance <= 1:
            raise ValueError(
                f"ratio is {self.ratio}, spread {self.spread} and chance {self.chance}, but shares with 0 < ratio − spread and "
                "ratio + spread < 1 are wanted"
            )

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        draw = torch.rand(2, len(images), generator=generator)
        hides, ratios = draw[0] < self.chance, self.ratio + self.spread * (2 * draw[1] - 1)
        hides[0] = True
        each = [
            Blocks(float(ratio), smallest=self.smallest)(images[:1], grid, generator).hidden & bool(hide)
            for ratio, hide in zip(ratios, hides, strict=True)
        ]
        return Mask(torch.cat(each), shape=grid.shape)
