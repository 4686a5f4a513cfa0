"""What spoils the pictures of a linear denoiser: noise(C) → (A, B) = (E[x x̃ᵀ], E[x̃ x̃ᵀ]), of pictures of covariance C (D, D)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Grid, Mask, seeded

Moments = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Gaussian:
    """Adds noise; sigma: its spread, over the root mean variance of the pixels. 0 is PCA."""

    sigma: float = 0.0

    def __call__(self, C: Tensor) -> Moments:
        return C, C + self.sigma**2 * C.trace() / len(C) * torch.eye(len(C), dtype=C.dtype)


@dataclass(frozen=True)
class Dropout:
    """Each number of the picture stays by itself with chance `keep`."""

    keep: float = 0.25

    def __call__(self, C: Tensor) -> Moments:
        p = self.keep
        return p * C, p**2 * C + p * (1 - p) * C.diagonal().diag()


@dataclass(frozen=True)
class Masked:
    """Each patch of the grid is hidden by itself with chance `ratio`; `grid` says how large the patches are."""

    grid: Grid
    ratio: float = 0.75

    def __call__(self, C: Tensor) -> Moments:
        p, N = 1 - self.ratio, self.grid.count
        return _hidden(C, self.grid, torch.full((N,), p), p**2 + p * (1 - p) * torch.eye(N))


@dataclass(frozen=True)
class Drawn:
    """Hides what `where(images, grid, generator)` says, a word of `grammar.where`; its moments are means over `masks` masks."""

    grid: Grid
    where: Callable[..., Mask]
    masks: int = 2000

    def __call__(self, C: Tensor) -> Moments:
        images = torch.zeros(self.masks, 3, self.grid.height, self.grid.width)
        seen = (~self.where(images, self.grid, seeded(0)).hidden).double()
        return _hidden(C, self.grid, seen.mean(0), seen.T @ seen / len(seen))


def _hidden(C: Tensor, grid: Grid, seen: Tensor, both: Tensor) -> Moments:
    """seen (N,): chance that a patch is visible; both (N, N): that two are."""
    patches = torch.arange(grid.count, dtype=torch.float64)[None, :, None].expand(1, -1, grid.patch**2 * 3)
    of = grid.unpatchify(patches).flatten().long()  # (D,): the patch of each number
    if len(of) != len(C):
        raise ValueError(f"the grid is of {grid.height} × {grid.width} pixels, but pictures have {len(C)} numbers")
    return C * seen.double()[of], C * both.double()[of][:, of]
