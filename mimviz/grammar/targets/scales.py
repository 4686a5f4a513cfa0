"""Scales: one target on several grids over the same picture, from fine to coarse (LocalMIM, CVPR 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask
from .hog import HOG


@dataclass(frozen=True)
class Scales:
    """target(images, mask) → (B, N, width): for every patch the histograms of each scale, side by side.

    times: cells along the side of a patch: 4, 2, 1, or 1/2 where a cell covers 2 × 2 patches, which then all have its row, so that
    the mean over hidden patches weighs a coarse cell by how much of it is hidden. ValueError for a grid that cells do not divide.
    """

    grid: Grid
    times: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5)
    bins: int = 9

    def __post_init__(self):
        for times in self.times:
            self._hog(times)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers that each scale gives a patch."""
        return tuple(self._hog(times).width for times in self.times)

    @property
    def width(self) -> int:
        return sum(self.widths)

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N D"]:
        return torch.cat([spread(self._hog(t)(images), self.grid, t) for t in self.times], dim=-1)

    def parts(self, rows: Float[Tensor, "B N D"]) -> Sequence[Tensor]:
        """(B, N, width) of each scale."""
        return rows.split(self.widths, dim=-1)

    def draw(
        self, rows: Float[Tensor, "B N D"], *, like: Tensor | None = None, scale: int | None = None
    ) -> Float[Tensor, "B H W 3"]:
        """Glyphs of one scale, that of one cell for each patch, or the finest, unless told."""
        at = (self.times.index(1) if 1 in self.times else 0) if scale is None else scale
        part, times = self.parts(rows)[at], self.times[at]
        if times < 1:
            k = round(1 / times)
            part = part.transpose(1, 2).unflatten(2, self.grid.shape)[..., ::k, ::k].flatten(2).transpose(1, 2)
        return self._hog(times).draw(part)

    def _hog(self, times: float) -> HOG:
        part = Fraction(times)
        if part >= 1:
            return HOG(self.grid, self.bins, int(part) if part.denominator == 1 else 0)
        k = part.denominator
        if part.numerator != 1 or self.grid.rows % k or self.grid.cols % k:
            raise ValueError(
                f"cells of {1 / times:g} × {1 / times:g} patches are asked, but the grid has {self.grid.rows} × "
                f"{self.grid.cols} of them"
            )
        return HOG(Grid(self.grid.rows // k, self.grid.cols // k, self.grid.patch * k), self.bins, 1)


def spread(rows: Tensor, grid: Grid, times: float) -> Tensor:
    """Rows of a coarse grid, one for each block of patches, to every patch of the block; of other scales as they are."""
    if times >= 1:
        return rows
    k = round(1 / times)
    coarse = rows.transpose(1, 2).unflatten(2, (grid.rows // k, grid.cols // k))
    return coarse.repeat_interleave(k, 2).repeat_interleave(k, 3).flatten(2).transpose(1, 2)
