"""Coloured: filtered noise, so that hidden patches clump or keep apart (ColorMAE, Hinojosa et al., ECCV 2024, arXiv 2407.13036)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ...core import Grid, Heatmap

Colour = Literal["red", "green", "blue", "purple"]


@dataclass(frozen=True)
class Coloured:
    """Scores: white noise through Gaussians G of `sigma` < `wide` patches, on an endless plane (no seam at the border).

    red: G(sigma), clumps. blue: what red leaves, even. green: G(sigma) − G(wide), blobs of one size. purple: what green leaves.
    """

    colour: Colour = "green"
    sigma: float = 1.0
    wide: float = 2.0

    def __post_init__(self):
        if self.colour not in ("red", "green", "blue", "purple"):
            raise ValueError(f"colour is {self.colour!r}, but 'red', 'green', 'blue' or 'purple' is wanted")
        if not 0 < self.sigma < self.wide:
            raise ValueError(f"sigma is {self.sigma} and wide {self.wide}, but 0 < sigma < wide is wanted, in patches")

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        margin = math.ceil(4 * self.wide)
        size = (len(images), 1, grid.rows + 2 * margin, grid.cols + 2 * margin)
        white = torch.randn(size, generator=generator, device=generator.device if generator else images.device)
        return Heatmap(self.filtered(white, margin).to(images.device), by=self)

    def filtered(self, white: Tensor, margin: int) -> Tensor:
        """White noise (B, 1, rows + 2 · margin, cols + 2 · margin) → this colour (B, rows, cols)."""
        inner = white[:, 0, margin:-margin, margin:-margin]
        low = _blurred(white, self.sigma, margin)
        if self.colour == "red":
            return low
        if self.colour == "blue":
            return inner - low
        band = low - _blurred(white, self.wide, margin)
        return band if self.colour == "green" else inner - band


def _blurred(white: Tensor, sigma: float, margin: int) -> Tensor:
    at = torch.arange(-margin, margin + 1, dtype=white.dtype, device=white.device)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    return F.conv2d(F.conv2d(white, kernel[None, None, None]), kernel[None, None, :, None])[:, 0]
