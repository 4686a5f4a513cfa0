"""Varying: another ratio each time, drawn from a truncated Gaussian (MAGE, Li et al., CVPR 2023, section 3.1, arXiv 2211.09117)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask
from .highest import Highest


@dataclass(frozen=True)
class Varying:
    """where(images, grid) → Mask of random patches; one ratio for a batch, so that all its pictures hide equally many.

    mean, std: of the Gaussian before it is cut to low..high.
    """

    mean: float = 0.55
    std: float = 0.25
    low: float = 0.5
    high: float = 1.0

    def __post_init__(self):
        if not (0 <= self.low < self.high <= 1 and self.std > 0):
            raise ValueError(
                f"ratios of {self.low}..{self.high} with std {self.std} are asked, but 0 <= low < high <= 1 is wanted"
            )

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        hidden = math.ceil(grid.count * self.ratio(generator) - 1e-9)
        return Highest(hidden / grid.count)(images, grid, generator)

    def ratio(self, generator: Generator | None = None) -> float:
        """One draw, by the inverse of the cumulative distribution."""
        ends = torch.tensor([self.low, self.high], dtype=torch.float64).sub(self.mean).div(self.std)
        below, above = torch.special.ndtr(ends)
        share = torch.rand((), generator=generator, dtype=torch.float64, device=generator.device if generator else None)
        drawn = torch.special.ndtri(below + share.cpu() * (above - below))
        return float((self.mean + self.std * drawn).clamp(self.low, self.high))
