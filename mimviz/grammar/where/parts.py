"""Parts: hide some parts of the object before anything else (HAP, Yuan et al., NeurIPS 2023, arXiv 2310.20695)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask

Box = tuple[float, float, float, float]

STANDING: tuple[Box, ...] = (
    (0.02, 0.36, 0.22, 0.64), (0.22, 0.14, 0.56, 0.34), (0.22, 0.66, 0.56, 0.86), (0.20, 0.32, 0.55, 0.68),
    (0.52, 0.28, 0.98, 0.50), (0.52, 0.50, 0.98, 0.72),
)  # fmt: skip
"""A stand-in for key points: head, arms, trunk and legs of someone who stands in the middle and fills the picture."""


@dataclass(frozen=True)
class Parts:
    """where(images, grid) → Mask: the patches of 0 to `most` parts first, then any others, to the share `ratio`.

    boxes: (top, left, bottom, right) of the parts in 0..1 of the picture, the same for all pictures, or a function of the
    pictures that returns a list of boxes for each. How many parts is drawn for each picture, as is which; of the last part that
    does not fit a random share is hidden.
    """

    ratio: float = 0.5
    boxes: tuple[Box, ...] | Callable[[Tensor], Sequence[Sequence[Box]]] = STANDING
    most: int = 6

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        found = self.boxes(images) if callable(self.boxes) else [self.boxes] * len(images)
        noise = torch.stack([self._priority(boxes, grid, generator) for boxes in found])
        return Mask.from_noise(noise.to(images.device), ratio=self.ratio, shape=grid.shape)

    def _priority(self, boxes: Sequence[Box], grid: Grid, generator: Generator | None) -> Tensor:
        """(N,): random in 0..1, and above for the patches of the chosen parts, the first of them highest."""
        noise = torch.rand(grid.count, generator=generator)
        count = int(torch.randint(min(self.most, len(boxes)) + 1, (), generator=generator))
        order = torch.randperm(len(boxes), generator=generator)[:count].tolist()
        above = torch.zeros(grid.count)
        for rank, part in enumerate(order):
            above = above.maximum(touched(boxes[part], grid).flatten() * (count - rank))
        return noise + above


def touched(box: Box, grid: Grid) -> Tensor:
    """(rows, cols) boolean: the patches that a box (top, left, bottom, right) in 0..1 touches."""
    top, left, bottom, right = box
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(
            f"box is {box}, but (top, left, bottom, right) in 0..1 is wanted, top above bottom, left of right"
        )
    inside = torch.zeros(grid.shape, dtype=torch.bool)
    rows = slice(int(top * grid.rows), math.ceil(bottom * grid.rows))
    inside[rows, int(left * grid.cols) : math.ceil(right * grid.cols)] = True
    return inside
