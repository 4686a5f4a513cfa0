"""Synthetic pictures with one telling patch, for tests in which the right answer is known."""

from __future__ import annotations

import numpy as np

from ..core import Grid, Picture


def planted(
    grid: Grid, patch: int, *, color: tuple[float, float, float] = (1.0, 0.1, 0.1), noise: float = 0.05, seed: int = 0
) -> Picture:
    """A grey picture of the grid's size with faint noise, in which patch number `patch` (row-major) alone has `color`.

    The same arguments give the same pixels. Raises ValueError for a patch outside the grid.
    """
    if not 0 <= patch < grid.count:
        raise ValueError(f"patch={patch}, but 0..{grid.count - 1} is needed, as the grid is {grid.rows} × {grid.cols}")
    array = np.random.default_rng(seed).uniform(0.5 - noise, 0.5 + noise, (grid.height, grid.width, 3))
    row, col = divmod(patch, grid.cols)
    size = grid.patch
    array[row * size : (row + 1) * size, col * size : (col + 1) * size] = color
    return Picture(array)
