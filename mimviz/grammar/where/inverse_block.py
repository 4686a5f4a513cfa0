"""InverseBlock: one block is seen and all around it is hidden (CAPI, Darcet et al., arXiv 2502.08769, section 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class InverseBlock:
    """where(images, grid) → Mask that hides ⌊ratio · N⌋ patches around a block of ratio height : width in `aspect` .. 1 / `aspect`.

    The block loses its last patches where that makes the number exact. roll: it may go over a border and come in on the other
    side, so that the middle is not seen more often than the border.
    """

    ratio: float = 0.65
    aspect: float = 0.5
    roll: bool = True

    def __post_init__(self):
        if not (0 <= self.ratio <= 1 and 0 < self.aspect <= 1):
            raise ValueError(
                f"ratio is {self.ratio} and aspect {self.aspect}, but 0..1 is wanted of both, and some aspect"
            )

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        seen = torch.stack([self._one(grid, generator) for _ in range(len(images))])
        return Mask(~seen.to(images.device))

    def _one(self, grid: Grid, generator: Generator | None) -> Tensor:
        """(rows, cols), True in the block."""
        rows, cols = grid.shape
        count = grid.count - int(grid.count * self.ratio + 1e-9)
        block = torch.zeros(rows, cols, dtype=torch.bool)
        if not count:
            return block
        draw = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
        low = max(math.log(self.aspect), math.log(count / cols**2))
        high = min(-math.log(self.aspect), math.log(rows**2 / count))
        aspect = math.exp(low + draw[0] * (high - low))
        height = min(math.ceil(math.sqrt(count * aspect) - 1e-9), rows)
        width = min(math.ceil(count / height), cols)
        height = math.ceil(count / width)
        top, left = int(draw[1] * (rows - height + 1)), int(draw[2] * (cols - width + 1))
        at = torch.arange(count)
        block[top + at // width, left + at % width] = True
        return block.roll((int(draw[3] * rows), int(draw[4] * cols)), (0, 1)) if self.roll else block
