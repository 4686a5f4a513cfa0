"""HOG: histograms of oriented gradients (Dalal and Triggs, CVPR 2005) as MaskFeat computes them (CVPR 2022, arXiv 2112.09133)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask

STROKE = 15  # pixels of a drawn cell


@dataclass(frozen=True)
class HOG:
    """target(images, mask) → (B, N, cells² · 3 · bins): for each colour and cell the strength of edges in each direction.

    Sobel gradients with reflected borders; direction modulo 180° in `bins`; strengths summed in each cell of `cell` pixels (8, or
    the whole patch where 8 does not divide it) and divided by their L2 norm over the bins. Read beside PySlowFast's HOGLayerC.
    cells: along the side of a patch, where another number is wanted. window: edges in the middle of a patch count more, by a
    Gaussian of half a patch, as in mmpretrain's HOGGenerator.
    """

    grid: Grid
    bins: int = 9
    cells: int | None = None
    window: bool = False

    def __post_init__(self):
        if self.cells is not None and (self.cells < 1 or self.grid.patch % self.cells):
            raise ValueError(f"cells is {self.cells}, but a patch of {self.grid.patch} pixels is not divided so")

    @property
    def cell(self) -> int:
        """Pixels of the side of a cell."""
        if self.cells is not None:
            return self.grid.patch // self.cells
        return 8 if self.grid.patch % 8 == 0 else self.grid.patch

    @property
    def width(self) -> int:
        return (self.grid.patch // self.cell) ** 2 * 3 * self.bins

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N D"]:
        sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).to(images)
        kernels = torch.stack([sobel, sobel.T]).repeat(3, 1, 1)[:, None]
        g = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), kernels, groups=3).unflatten(1, (3, 2))
        gx, gy = g.unbind(2)  # (B, 3, H, W)
        angle = torch.atan2(gx, gy) / math.pi * self.bins
        into = (angle.floor().long() % self.bins)[:, :, None]
        strength = torch.stack([gx, gy]).norm(dim=0)[:, :, None]
        if self.window:
            strength = strength * self._bell().to(strength)
        pixels = strength.new_zeros(*gx.shape[:2], self.bins, *gx.shape[2:]).scatter_(2, into, strength)
        cells = F.avg_pool2d(pixels.flatten(1, 2), self.cell) * self.cell**2
        cells = F.normalize(cells.unflatten(1, (3, self.bins)), dim=2).flatten(1, 2)  # (B, 3 · bins, rows, cols)
        k = self.grid.patch // self.cell
        return Grid(self.grid.rows, self.grid.cols, k).patchify(cells)

    def draw(self, rows: Float[Tensor, "B N D"], *, like: Tensor | None = None) -> Float[Tensor, "B H W 3"]:
        """A stroke for each direction of each cell, along the edge, as bright as it is strong; colours keep apart."""
        k = self.grid.patch // self.cell
        cells = Grid(self.grid.rows, self.grid.cols, k).unpatchify(rows.float()).unflatten(1, (3, self.bins))
        drawn = torch.einsum("bcorq,oyx->bcrqyx", cells.clamp(0, 1), self._strokes().to(cells))
        return drawn.permute(0, 2, 4, 3, 5, 1).flatten(1, 2).flatten(2, 3).clamp(0, 1)

    def _bell(self) -> Float[Tensor, "H W"]:
        """A Gaussian over each patch, of standard deviation patch / 2."""
        off = (torch.arange(self.grid.patch) - (self.grid.patch - 1) / 2) / (self.grid.patch / 2)
        bell = (-0.5 * (off[:, None] ** 2 + off**2)).exp()
        return bell.repeat(self.grid.shape)

    def _strokes(self) -> Float[Tensor, "O S S"]:
        """A line through the middle for each bin; its gradient (gx, gy) has atan2(gx, gy) = θ, so the edge runs along −θ."""
        at = torch.linspace(-1, 1, STROKE)
        y, x = torch.meshgrid(at, at, indexing="ij")
        theta = (torch.arange(self.bins) + 0.5)[:, None, None] * math.pi / self.bins
        off = (x * theta.sin() + y * theta.cos()).abs()  # from the line that is normal to the gradient
        return (1 - off * STROKE / 3).clamp(0, 1) * (x**2 + y**2 <= 1)
