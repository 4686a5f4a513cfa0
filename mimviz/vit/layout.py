"""Where the numbers of a block lie in the picture: whatever its layout, tokens in the picture's order behind their prefix."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from timm.models.vision_transformer_sam import VisionTransformerSAM
from torch import Tensor, nn

from ..core import Grid
from .anatomy import Anatomy


@dataclass(frozen=True)
class Layout:
    """`prefix` tokens, then the cells of `grid` row by row; `tokens` brings what a block made into that order."""

    grid: Grid
    prefix: int
    tokens: Callable[[Tensor], Tensor] = field(repr=False)

    def map(self, tokens: Tensor) -> Tensor:
        """(B, prefix + N, C) → (B, C, rows, cols): the patches alone, as a picture."""
        return tokens[:, self.prefix :].transpose(1, 2).unflatten(2, self.grid.shape)


def block_layout(model: Any, index: int, output: Tensor, parts: Anatomy, *, dropped: bool = False) -> Layout:
    """How the output of block `index` lies in the picture: (B, N, C), (B, C, rows, cols) or (B, rows, cols, C).

    dropped: some patches never went in, so tokens stand where they were seen. Raises ValueError for a shape of any other kind.
    """
    name = parts.blocks[index]
    if output.ndim == 4:
        last = _channels_last(model, output, parts.grid)
        rows, cols = output.shape[1:3] if last else output.shape[2:]
        return Layout(_stage(parts, index, rows, cols), 0, _of_last if last else _of_first)
    if output.ndim != 3:
        raise ValueError(f"{name} returned numbers of shape {tuple(output.shape)}, which have no place in a picture")
    if hasattr(model, "reroll"):  # Hiera keeps the tokens of a mask unit together
        rows, cols = model.reroll.schedule[index][1]
        return Layout(_stage(parts, index, rows, cols), 0, lambda x: model.reroll(x, index).flatten(1, 2))
    if dropped:
        return Layout(parts.grid, parts.prefix, _as_is)
    return token_layout(output.shape[1], parts, name=name, stage=_stage(parts, index))


def token_layout(length: int, parts: Anatomy, *, name: str = "this layer", stage: Grid | None = None) -> Layout:
    """How `length` tokens in a row lie in the picture: those of `stage`, the grid unless told, with a prefix or without.

    Raises ValueError where they are neither: something merged or dropped tokens.
    """
    for grid in (stage or parts.grid, *parts.stages):
        for prefix in (parts.prefix, 0):
            if length == prefix + grid.count:
                return Layout(grid, prefix, _as_is)
    raise ValueError(
        f"{name} holds {length} tokens, but the picture has {parts.grid.rows} x {parts.grid.cols} patches and {parts.prefix} "
        f"tokens before them: this {parts.family} merges or drops tokens, so they have no place on the grid; ask an earlier layer"
    )


def _stage(parts: Anatomy, index: int, rows: int = 0, cols: int = 0) -> Grid:
    """The grid of a block, or one with so many cells where the block's own shape says so."""
    grid = parts.stages[parts.stage_of[index]]
    if not rows or (rows, cols) == grid.shape:
        return grid
    return Grid(rows, cols, math.ceil(parts.grid.height / rows))


def _as_is(x: Tensor) -> Tensor:
    return x


def _of_first(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _of_last(x: Tensor) -> Tensor:
    return x.flatten(1, 2)


def _channels_last(model: nn.Module, output: Tensor, whole: Grid) -> bool:
    """By the shape, as stages keep the proportions of the picture; where both readings do, by what timm says of the model."""

    def fits(rows: int, cols: int) -> bool:
        return abs(rows * whole.width - cols * whole.height) < max(whole.width, whole.height)

    first, last = fits(*output.shape[2:]), fits(*output.shape[1:3])
    if first != last:
        return last
    return getattr(model, "output_fmt", "") == "NHWC" or isinstance(model, VisionTransformerSAM)
