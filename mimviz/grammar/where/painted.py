"""Painted: the same mask for every picture, such as one from a painter, a file or a search."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Painted:
    """where(images, grid) → `mask` for all of them; ValueError on another grid."""

    mask: Mask

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return grid.check(self.mask).to(images.device).expand(len(images))
