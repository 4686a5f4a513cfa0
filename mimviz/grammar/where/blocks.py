"""Blocks: hide rectangles until enough is hidden (Bao et al., BEiT, ICLR 2022, algorithm 1, arXiv 2106.08254)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask, keep_count


@dataclass(frozen=True)
class Blocks:
    """where(images, grid) → Mask of rectangles of at least `smallest` patches, aspect ratio in `aspect` .. 1 / `aspect`.

    When no further rectangle fits, single patches make the count exact, as BEiT v2's code does, so that all pictures of a
    batch hide equal numbers.
    """

    ratio: float = 0.4
    smallest: int = 16
    aspect: float = 0.3

    @classmethod
    def on(cls, grid: Grid, ratio: float) -> Blocks:
        """With the papers' smallest block, 16 of 196 patches, and the same share of a smaller grid."""
        return cls(ratio, smallest=min(16, max(grid.count // 12, 1)))

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        hidden = torch.stack([self._one(grid, generator) for _ in range(len(images))])
        return Mask(hidden.to(images.device))

    def _one(self, grid: Grid, generator: Generator | None) -> Tensor:
        hidden = torch.zeros(grid.shape, dtype=torch.bool)
        want = grid.count - keep_count(grid.count, self.ratio)
        while (left := want - int(hidden.sum())) > 0:
            if not any(self._add_block(hidden, left, generator) for _ in range(10)):
                rest = (~hidden).flatten().nonzero()[:, 0]
                hidden.view(-1)[rest[torch.randperm(len(rest), generator=generator)[:left]]] = True
        return hidden

    def _add_block(self, hidden: Tensor, left: int, generator: Generator | None) -> bool:
        """Tries one rectangle; True where it hid at least one new patch and no more than `left`."""
        draw = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        smallest = min(self.smallest, left)
        area = smallest + draw[0] * (left - smallest)
        aspect = math.exp((2 * draw[1] - 1) * math.log(1 / self.aspect))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        rows, cols = hidden.shape
        if not (0 < height < rows and 0 < width < cols):
            return False
        top, start = int(draw[2] * (rows - height + 1)), int(draw[3] * (cols - width + 1))
        block = hidden[top : top + height, start : start + width]
        if not 0 < int((~block).sum()) <= left:
            return False
        block.fill_(True)
        return True
