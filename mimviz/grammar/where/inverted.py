"""Inverted: what another strategy would hide is what is seen (UTA's reversed block-wise masking, Liu et al., arXiv 2405.19009)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Inverted:
    """where(images, grid) → Mask: the patches that `where` leaves alone.

    Blocks lie in the middle more often than at the border. Where they hide half of 14 x 14 patches, the middle is seen in 19 % of
    400 draws and the border in 70 %; inverted, in 81 % and 30 %: what is seen is then where things are.
    """

    where: Callable[..., Mask]

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return ~self.where(images, grid, generator)
