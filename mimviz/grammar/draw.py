"""Rows of any target as a picture: by the target's own `draw`, else by their principal components."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ..core import Grid
from .targets.features import colours


def drawn(target: Any, rows: Float[Tensor, "B N D"], grid: Grid, like: Tensor | None = None) -> Float[Tensor, "B H W 3"]:
    """RGB in 0..1, H and W multiples of the grid's rows and columns.

    like: rows that set the colours where these are fitted, so that guess and truth can be compared. A target that has no `draw`
    is shown by the first three principal components of `like` (of the rows themselves unless told), a pixel for each patch.
    Raises ValueError where there is not one row for each patch.
    """
    if rows.shape[1] != grid.count:
        raise ValueError(f"there are {rows.shape[1]} rows, but the grid has {grid.count} patches: one row for each is drawn")
    if hasattr(target, "draw"):
        return target.draw(rows, like=like)
    return colours(rows, like).unflatten(1, grid.shape)
