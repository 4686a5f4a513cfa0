"""MultiBlock: one large block to see, several small ones to predict (I-JEPA, Assran et al., CVPR 2023, arXiv 2301.08243)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class MultiBlock:
    """where(images, grid) → Mask: `predict` is the union of the blocks, `hidden` all that lies outside the context or in a block.

    count: how many blocks, each a share `scale` of the patches with a ratio height : width in `aspect`. context: share of the one
    square block around what may be seen, from which the blocks are cut out; None: all of the picture. All pictures of a batch
    share the sizes; where the cuts leave unequal numbers visible, patches are hidden at random down to the smallest number (the
    authors' code cuts the end of each list off, which favours the top of the picture).
    """

    count: int = 4
    scale: tuple[float, float] = (0.15, 0.2)
    aspect: tuple[float, float] = (0.75, 1.5)
    context: tuple[float, float] | None = (0.85, 1.0)

    @classmethod
    def hiding(cls, ratio: float, count: int = 4) -> MultiBlock:
        """Blocks that cover about `ratio` of the picture, and all else to be seen."""
        share = 1 - (1 - min(max(ratio, 0.0), 0.99)) ** (1 / count)  # of blocks that fall where they will
        return cls(count, (share, share), context=None)

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return self.draw(images, grid, generator)[0]

    def draw(
        self, images: Tensor, grid: Grid, generator: Generator | None = None
    ) -> tuple[Mask, Bool[Tensor, "B {self.count} N"]]:
        """The mask and its blocks one by one (B, count, N), which may overlap."""
        size = self._size(self.scale, self.aspect, grid, generator)
        around = grid.shape if self.context is None else self._size(self.context, (1.0, 1.0), grid, generator)
        drawn = [self._one(size, around, grid, generator) for _ in range(len(images))]
        blocks, seen = (torch.stack(each) for each in zip(*drawn, strict=True))
        noise = torch.rand(seen.shape, generator=generator).masked_fill(~seen, 2.0)
        kept = noise.argsort(1)[:, : int(seen.sum(1).min())]
        hidden = torch.ones_like(seen).scatter(1, kept, False)
        return Mask(hidden, blocks.any(1), grid.shape).to(images.device), blocks.to(images.device)

    def _one(self, size, around, grid: Grid, generator: Generator | None) -> tuple[Tensor, Tensor]:
        """The blocks of one picture (count, N) and what may be seen of it (N,), at least one patch."""
        for _ in range(100):
            blocks = torch.stack([_placed(size, grid, generator) for _ in range(self.count)]).flatten(1)
            seen = _placed(around, grid, generator).flatten() & ~blocks.any(0)
            if seen.any():
                return blocks, seen
        raise ValueError(
            f"{self.count} blocks of {size[0]} x {size[1]} patches leave nothing to see of {grid.rows} x {grid.cols}: take "
            "smaller ones, or a finer grid"
        )

    @staticmethod
    def _size(scale, aspect, grid: Grid, generator: Generator | None) -> tuple[int, int]:
        """(rows, columns) of a block, smaller than the grid in both wherever that is possible."""
        part, shape = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        area = int(grid.count * (scale[0] + part * (scale[1] - scale[0])))
        ratio = aspect[0] + shape * (aspect[1] - aspect[0])
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        return min(max(height, 1), max(grid.rows - 1, 1)), min(max(width, 1), max(grid.cols - 1, 1))


def _placed(size: tuple[int, int], grid: Grid, generator: Generator | None) -> Tensor:
    """(rows, cols): a block of this size anywhere."""
    block = torch.zeros(grid.shape, dtype=torch.bool)
    top, left = (
        int(torch.randint(full - part + 1, (), generator=generator))
        for full, part in zip(grid.shape, size, strict=True)
    )
    block[top : top + size[0], left : left + size[1]] = True
    return block
