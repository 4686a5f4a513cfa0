"""Queries, keys and values of one attention module in one pass: everything that its map is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Mixing:
    """A = softmax(q · scale · kᵀ + bias), the post-softmax attention before dropout (Vaswani et al., NeurIPS 2017, equation 1).

    q (B, heads, Q, d), k (B, heads, K, d) and v (B, heads, K, d') after every norm and rotation the module applies; `bias`, if any,
    broadcasts to (B, heads, Q, K). Maps are made from these on demand, whole or by rows: N² numbers are never kept.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    scale: float | Tensor
    bias: Tensor | None = None

    def weights(self, rows: slice | Tensor = slice(None)) -> Tensor:
        """(B, heads, R, K): the attention of the queries `rows` (all unless told); every row sums to 1."""
        scores = (self.q[:, :, rows] * self.scale) @ self.k.transpose(-2, -1)  # (B, heads, R, K)
        if self.bias is not None:
            bias = self.bias
            scores = scores + (bias[..., rows, :] if bias.shape[-2] > 1 else bias)
        return torch.softmax(scores, dim=-1)

    def values(self) -> Tensor:
        """(B, Q, heads · d'): A · V with the heads side by side, as the module hands it to its projection."""
        mixed = self.weights() @ self.v  # (B, heads, Q, d')
        return mixed.transpose(1, 2).flatten(2)

    def weights_grad(self, mixed_grad: Tensor) -> Tensor:
        """∂s/∂A (B, heads, Q, K), from ∂s/∂(A · V) (B, Q, heads · d'): as A · V is linear in A, it is ∂s/∂(A · V) · Vᵀ, exactly."""
        B, Q, _ = mixed_grad.shape
        heads = mixed_grad.reshape(B, Q, self.v.shape[1], -1).transpose(1, 2)  # (B, heads, Q, d')
        return heads @ self.v.transpose(-2, -1)
