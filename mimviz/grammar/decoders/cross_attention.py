"""Attention of queries to a memory, whose keys and values may differ (Vaswani et al., NIPS 2017, section 3.2, arXiv 1706.03762)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """attend(x, keys, values): queries x (B, M, dim) read a memory (B, T, width) → (B, M, dim). values: the keys unless given."""

    def __init__(self, dim: int, heads: int, *, width: int | None = None):
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"attention of {heads} heads has dim {dim}, but dim must divide by heads")
        width, self.heads = dim if width is None else width, heads
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(width, dim), nn.Linear(width, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "B M D"], keys: Float[Tensor, "B T C"], values: Float[Tensor, "B T C"] | None = None
    ) -> Float[Tensor, "B M D"]:
        v = self._by_head(self.v(keys if values is None else values))
        q, k = self._by_head(self.q(x)), self._by_head(self.k(keys))
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def weights(self, x: Float[Tensor, "B M D"], keys: Float[Tensor, "B T C"]) -> Float[Tensor, "B heads M T"]:
        """How much each query reads of each token of the memory; rows sum to 1."""
        q, k = self._by_head(self.q(x)), self._by_head(self.k(keys))
        return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, heads, T, dim / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
