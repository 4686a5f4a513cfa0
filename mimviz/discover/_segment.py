"""What the finders return: a part of a picture, as patches and as a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..core import Grid


@dataclass(frozen=True, eq=False)
class Segment:
    """An object found in one picture.

    mask (rows, cols): its patches. box (left, top, right, bottom): the smallest around them, in pixels of the picture as the model
    sees it. seed: the patch it grew from, row by row. `map` (rows, cols): the raw numbers that were cut. `by` names the method.
    """

    mask: np.ndarray
    box: tuple[int, int, int, int]
    seed: int
    map: np.ndarray
    by: object

    def __repr__(self) -> str:
        return f"Segment({int(self.mask.sum())} patches, box {self.box}, by {self.by})"


def around(seed: int, inside: np.ndarray, grid: Grid, *, map: np.ndarray, by: object) -> Segment:
    """The part of `inside` (rows, cols) that hangs together with `seed`, over edges and not over corners."""
    labels: Any = ndimage.label(inside)[0]  # type: ignore[index]
    mask = labels == labels[np.unravel_index(seed, grid.shape)]
    rows, cols = np.where(mask)
    box = [int(edge) * grid.patch for edge in (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)]
    return Segment(mask, tuple(box), int(seed), map, by)  # type: ignore[arg-type]
