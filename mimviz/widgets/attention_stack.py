"""The attention layers of one pass, read row by row, with tokens by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from ..core import Grid
from ..vit import Trace
from ..vit.layer import Layer
from .head_statistics import head_statistics


class Shape(NamedTuple):
    """Of one layer's map: heads, tokens in `front` of the patches, and the grids of its keys and of its queries.

    In an attention pooling, `pool`, the queries are learnt ones, side by side; tokens in front and patches do not ask.
    """

    heads: int
    front: int
    rows: int
    cols: int
    query_rows: int
    query_cols: int
    pool: bool = False

    @property
    def keys(self) -> int:
        return self.front + self.rows * self.cols

    @property
    def queries(self) -> int:
        return self.front + self.query_rows * self.query_cols


@dataclass(frozen=True, eq=False)
class Stack:
    """The attention layers of one pass through an encoder or a decoder."""

    trace: Trace
    grid: Grid
    """The grid by which patches are named: the finest of the explorer's first model."""
    front: tuple[str, ...]
    """Names of the tokens before the patches."""

    @cached_property
    def shapes(self) -> list[Shape]:
        return [self._shape(layer) for layer in range(len(self.layers))]

    @cached_property
    def layers(self) -> list[Layer]:
        """Those of the trace, then its pooling, if it has one."""
        pooling = self.trace.pooling
        return [*self.trace.layers, *([] if pooling is None or self.trace.ids is not None else [pooling])]

    def rows(self, layer: int, ids: Iterable[int]) -> np.ndarray:
        """(heads, R, keys), float32, exact: the attention of some tokens; NaN for those that the pass did not have."""
        numbers = torch.as_tensor(np.asarray(list(ids)))
        if self.shapes[layer].pool:
            return self._pooled(layer, numbers)
        rows = self.trace.rows(layer, numbers)[0].float().cpu().numpy()
        if self.trace.ids is None:
            return rows
        nowhere = np.isnan(rows)  # patches that were hidden: as queries they have no row, as keys they get nothing
        return np.where(nowhere & ~nowhere.all(-1, keepdims=True), 0, rows)

    def find(self, layer: int, token: str) -> int | None:
        """The number of a token as a query of a layer; None where the layer has no token of that name."""
        shape = self.shapes[layer]
        patch = patch_of(token)
        if shape.pool:
            patch = patch or (0, 0)
        if patch is None:
            return self.front.index(token) if token in self.front[: shape.front] else None
        if patch[0] >= self.grid.rows or patch[1] >= self.grid.cols:
            return None
        row, col = _across(patch, self.grid, (shape.query_rows, shape.query_cols))
        return shape.front + row * shape.query_cols + col

    def keys(self, layer: int, token: str) -> list[int]:
        """The number that a token has among those that went into a layer: one, or none where it did not."""
        shape, patch = self.shapes[layer], patch_of(token)
        if patch is None:
            return [self.front.index(token)] if token in self.front[: shape.front] else []
        row, col = _across(patch, self.grid, (shape.rows, shape.cols))
        cell = row * shape.cols + col
        if self.trace.ids is None:
            return [shape.front + cell]
        return [shape.front + place for place, kept in enumerate(self.trace.ids[0].tolist()) if kept == cell]

    def row(self, layer: int, token: str) -> np.ndarray:
        """(heads, 1, keys): the attention of one token, NaN where there is none."""
        number = self.find(layer, token)
        if number is None:
            return np.full((self.shapes[layer].heads, 1, self.shapes[layer].keys), np.nan, np.float32)
        return self.rows(layer, [number])

    def maps(self, layer: int, token: str) -> np.ndarray:
        """(heads, rows, cols): the attention of one token on patches."""
        shape = self.shapes[layer]
        return self.row(layer, token)[:, 0, shape.front :].reshape(shape.heads, shape.rows, shape.cols)

    def statistics(self, layer: int, stale: Callable[[], bool] = bool) -> dict[str, np.ndarray]:
        """See `head_statistics`."""
        shape = self.shapes[layer]
        cls = tuple(i for i, name in enumerate(self.front[: shape.front]) if not name.startswith("reg"))
        there = np.ones(shape.queries, bool)
        if self.trace.ids is not None and self.trace.hidden is not None:
            there[shape.front :] = ~self.trace.hidden[0].cpu().numpy()
        if shape.pool:
            there[: shape.front] = False
        return head_statistics(
            lambda ids: self.rows(layer, ids),
            np.flatnonzero(there),
            self._middles(shape.queries, 0, 0)
            if shape.pool
            else self._middles(shape.front, shape.query_rows, shape.query_cols),
            self._middles(shape.front, shape.rows, shape.cols),
            cls=cls,
            registers=tuple(set(range(shape.front)) - set(cls)),
            stale=stale,
        )

    def describe(self) -> dict[str, Any]:
        """What a browser needs to know to read the rows."""
        return {"front": list(self.front), "layers": [shape._asdict() for shape in self.shapes]}

    def _shape(self, layer: int) -> Shape:
        made = self.layers[layer]
        _, heads, queries, keys = made.mixing.shape
        front = keys - (made.keys.count if self.trace.ids is None else self.trace.ids.shape[1])
        if made is self.trace.pooling:
            return Shape(heads, front, *made.keys.shape, 1, queries, pool=True)
        return Shape(heads, front, *made.keys.shape, *made.grid.shape)

    def _pooled(self, layer: int, ids: torch.Tensor) -> np.ndarray:
        """(heads, R, keys) of learnt queries, which are numbered behind the tokens in front; NaN for those."""
        shape, mixing = self.shapes[layer], self.layers[layer].mixing
        asking = ids >= shape.front
        rows = np.full((shape.heads, len(ids), shape.keys), np.nan, np.float32)
        made = mixing.weights((ids[asking] - shape.front).to(mixing.v.device))[0]
        rows[:, asking.numpy()] = made.float().cpu().numpy()
        return rows

    def _middles(self, front: int, rows: int, cols: int) -> np.ndarray:
        """(front + patches, 2): the middle of every patch in pixels, NaN for tokens that are none."""
        at = np.indices((rows, cols)).reshape(2, -1).T + 0.5
        at *= self.grid.height / max(rows, 1), self.grid.width / max(cols, 1)
        return np.concatenate([np.full((front, 2), np.nan), at]).astype(np.float32)


def patch_of(token: str) -> tuple[int, int] | None:
    """(row, column) of "3,5"; None for the name of a token that is no patch."""
    row, _, col = token.partition(",")
    return (int(row), int(col)) if row.isdigit() and col.isdigit() else None


def said(token: str) -> str:
    """For people, who count from 1."""
    patch = patch_of(token)
    return f"patch {patch[0] + 1},{patch[1] + 1}" if patch else token


def _across(patch: tuple[int, int], grid: Grid, cells: tuple[int, int]) -> tuple[int, int]:
    """The cell of another grid at the middle of a patch."""
    row, col = ((2 * at + 1) * new // (2 * old) for at, new, old in zip(patch, cells, grid.shape, strict=True))
    return row, col
