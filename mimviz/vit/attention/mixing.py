"""Queries, keys and values of one attention module in one pass: everything that its map is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Rows = slice | Tensor
Heads = slice | Sequence[int] | Tensor
ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Mixing:
    """A = softmax(q · scale · kᵀ + bias), the post-softmax attention before dropout (Vaswani et al., NeurIPS 2017, equation 1).

    q (B, heads, Q, d), k (B, heads, K, d) and v (B, heads, K, d') after every norm and rotation the module applies; `scale` is a
    number or (heads, 1, 1); `bias`, if any, broadcasts to (B, heads, Q, K); `late`: the module scales q · kᵀ, not q, which rounds
    otherwise. `edit`, a function of the whole map and this, is what was done to it (see `mimviz.vit.edited`). Maps are made from
    these on demand, whole or by rows: N² numbers are never kept.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float | Tensor
    bias: Tensor | None = None
    late: bool = False
    edit: Callable[[Tensor, Any], Tensor] | None = None

    def weights(self, rows: Rows = ALL, heads: Heads = ALL) -> Tensor:
        """(B, heads, R, K): the attention of the queries `rows` (all unless told); every row sums to 1."""
        if self.edit is not None:
            return self.edit(self._made(ALL, ALL), self)[:, heads][:, :, rows]
        return self._made(rows, heads)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, heads, Q, K) of the whole map."""
        return self.q.shape[0], self.v.shape[1], self.q.shape[-2], self.k.shape[-2]

    def values(self) -> Tensor:
        """A · V with the heads side by side, as the module hands it on: (B, Q, heads · d') in most families."""
        return self.join(self.weights() @ self.v)

    def weights_grad(self, mixed_grad: Tensor, heads: Heads = ALL) -> Tensor:
        """∂s/∂A (B, heads, Q, K), from ∂s/∂(A · V): as A · V is linear in A, it is ∂s/∂(A · V) · Vᵀ, exactly."""
        return self.split(mixed_grad)[:, heads] @ self.v[:, heads].transpose(-2, -1)

    def split(self, mixed: Tensor) -> Tensor:
        """What the module made of A · V, (B, Q, heads · d') → (B, heads, Q, d')."""
        return mixed.unflatten(-1, (self.v.shape[1], -1)).transpose(1, 2)

    def join(self, heads: Tensor) -> Tensor:
        """(B, heads, Q, d') → (B, Q, heads · d')."""
        return heads.transpose(1, 2).flatten(2)

    # --- inside ---

    def _made(self, rows: Rows, heads: Heads) -> Tensor:
        return softmax(self._scores(rows, heads))

    def _scores(self, rows: Rows, heads: Heads) -> Tensor:
        scale = self.scale[heads] if isinstance(self.scale, Tensor) and self.scale.ndim else self.scale
        q, k = self.q[:, heads][:, :, rows], self.k[:, heads].transpose(-2, -1)
        scores = (q @ k) * scale if self.late else (q * scale) @ k  # (B, heads, R, K)
        return scores if self.bias is None else scores + part(self.bias, rows, heads)


def softmax(scores: Tensor) -> Tensor:
    """Over the keys; in place where that is allowed, as fresh memory for every map costs more than the exponentials."""
    own = scores.device.type == "cpu" and not scores.requires_grad
    return torch.softmax(scores, dim=-1, out=scores) if own else torch.softmax(scores, dim=-1)


def part(bias: Tensor, rows: Rows, heads: Heads) -> Tensor:
    """Of numbers that broadcast to (B, heads, Q, K), those of some heads and queries."""
    if bias.ndim > 2 and bias.shape[-3] > 1:
        bias = bias[..., heads, :, :]
    return bias[..., rows, :] if bias.shape[-2] > 1 else bias
