"""Groups: rectangles of neighbours until enough is hidden (GMML, Atito et al., arXiv 2205.14986, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Groups:
    """where(images, grid) → Mask. Of each picture a share between `least` and `ratio` is to be hidden, drawn evenly.

    Rectangles of sides 1 patch … `largest` of the grid's are hidden one by one, cut at the border, until the share is reached: it
    is exceeded by less than the last of them. So pictures of a batch hide unequal numbers. The authors' code may also cut through
    patches ("align"); here a patch is hidden or not.
    """

    ratio: float = 0.7
    least: float = 0.5
    largest: float = 0.3

    def __post_init__(self):
        if not (0 <= self.least <= 1 and 0 <= self.ratio <= 1 and 0 < self.largest <= 1):
            raise ValueError(
                f"ratio is {self.ratio}, least {self.least} and largest {self.largest}, but shares of 0..1 are wanted"
            )

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        hidden = torch.stack([self._one(grid, generator) for _ in range(len(images))])
        return Mask(hidden.to(images.device))

    def _one(self, grid: Grid, generator: Generator | None) -> Tensor:
        hidden = torch.zeros(grid.shape, dtype=torch.bool)
        least = min(self.least, self.ratio)
        share = least + float(torch.rand((), generator=generator)) * (self.ratio - least)
        sides = [max(int(self.largest * side), 1) for side in grid.shape]
        while int(hidden.sum()) < max(share * grid.count, 1):
            draw = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
            height, width = (1 + int(d * side) for d, side in zip(draw, sides, strict=False))
            top, start = int(draw[2] * grid.rows), int(draw[3] * grid.cols)
            hidden[top : top + height, start : start + width] = True
        return hidden
