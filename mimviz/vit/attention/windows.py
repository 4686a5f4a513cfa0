"""Attention within windows, put back to where its tokens lie in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .mixing import ALL, Heads, Mixing, Rows


@dataclass(frozen=True, eq=False)
class Windowed:
    """`local`: the attention as the module computes it, (B · W, heads, Q, K), its windows one after another for each picture.

    `at` (W, Q) and `key_at` (W, K) number the cell of the picture that each of a window's queries and keys lies on, row by row;
    −1 is padding. Between cells of different windows the map is 0; where windows are padded, rows sum to less than 1, as some
    attention went to the padding.
    """

    local: Mixing
    at: Tensor
    key_at: Tensor
    queries: int
    keys: int

    @property
    def v(self) -> Tensor:
        """(B · W, heads, K, d')."""
        return self.local.v

    def weights(self, rows: Rows = ALL, heads: Heads = ALL) -> Tensor:
        """(B, heads, R, keys): the attention of the cells `rows`, in the picture's order."""
        if isinstance(rows, slice):
            rows = torch.arange(self.queries, device=self.at.device)[rows]
        slots, Q = self._slot[rows], self.at.shape[1]  # (R,)
        windows, inverse = torch.unique(slots // Q, return_inverse=True)
        found = self._of(windows, heads)[:, inverse, :, slots % Q]  # (R, B, heads, K)
        return self._put(found.permute(1, 2, 0, 3), self.key_at[slots // Q])

    def values(self) -> Tensor:
        return self.local.values()

    def weights_grad(self, mixed_grad: Tensor, heads: Heads = ALL) -> Tensor:
        """∂s/∂A (B, heads, queries, keys); 0 between windows, which the module never mixes."""
        W, Q = self.at.shape
        found = self.local.weights_grad(mixed_grad, heads).unflatten(0, (-1, W))  # (B, W, heads, Q, K)
        found = found.transpose(1, 2).flatten(2, 3)[:, :, self._slot]  # (B, heads, queries, K)
        return self._put(found, self.key_at[self._slot // Q])

    def split(self, mixed: Tensor) -> Tensor:
        return self.local.split(mixed)

    def join(self, heads: Tensor) -> Tensor:
        return self.local.join(heads)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, heads, queries, keys) of the whole map."""
        return self.local.q.shape[0] // self.at.shape[0], self.v.shape[1], self.queries, self.keys

    # --- inside ---

    @cached_property
    def _slot(self) -> Tensor:
        """(queries,): where among all windows' queries each cell is."""
        flat = self.at.flatten()
        order = torch.arange(len(flat), device=flat.device)
        slot = torch.full((self.queries + 1,), -1, device=flat.device)
        return slot.scatter_(0, torch.where(flat < 0, self.queries, flat), order)[:-1]

    def _of(self, windows: Tensor, heads: Heads) -> Tensor:
        """(B, w, heads, Q, K): the maps of some windows alone, all of them where an edit asks for the whole."""
        W, local = self.at.shape[0], self.local
        if len(windows) == W or local.edit is not None:
            return local.weights(ALL, heads).unflatten(0, (-1, W))[:, windows]
        rows = torch.arange(local.q.shape[0], device=windows.device).view(-1, W)[:, windows].flatten()
        bias = local.bias if local.bias is None or local.bias.shape[0] == 1 else local.bias[rows]
        some = replace(local, q=local.q[rows], k=local.k[rows], v=local.v[rows], bias=bias)
        return some.weights(ALL, heads).unflatten(0, (-1, len(windows)))

    def _put(self, found: Tensor, at: Tensor) -> Tensor:
        """(B, heads, R, K) of one row's own window → (B, heads, R, keys), at the cells `at` (R, K)."""
        out = found.new_zeros(*found.shape[:3], self.keys + 1)
        out.scatter_(-1, torch.where(at < 0, self.keys, at).expand_as(found), found)
        return out[..., :-1]
