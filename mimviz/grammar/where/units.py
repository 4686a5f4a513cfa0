"""Units: hide square units of several patches at random (Xie et al., SimMIM, CVPR 2022, section 3.2, arXiv 2111.09886)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Units:
    """where(images, grid) → Mask of `unit × unit` patches, ⌈ratio · units⌉ of them hidden.

    The paper's 32 pixels are 2 patches of 16. Where the grid does not divide by the unit, the last row and column are cut,
    and then the pictures of a batch may hide unequal numbers of patches.
    """

    ratio: float = 0.6
    unit: int = 2

    def __post_init__(self):
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio is {self.ratio}, but it must lie in 0..1: the share of units to hide")
        if self.unit < 1:
            raise ValueError(f"unit is {self.unit}, but a unit is at least 1 patch wide")

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        rows, cols = math.ceil(grid.rows / self.unit), math.ceil(grid.cols / self.unit)
        noise = torch.rand(
            len(images), rows * cols, generator=generator, device=generator.device if generator else images.device
        )
        chosen = noise.argsort(dim=1)[:, : math.ceil(self.ratio * rows * cols - 1e-9)]
        units = torch.zeros(noise.shape, dtype=torch.bool, device=noise.device).scatter(1, chosen, True)
        hidden = units.reshape(-1, rows, cols).repeat_interleave(self.unit, 1).repeat_interleave(self.unit, 2)
        return Mask(hidden[:, : grid.rows, : grid.cols].to(images.device))
