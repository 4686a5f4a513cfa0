"""A decoder of patches that do not know of each other (CrossMAE, Fu et al., TMLR 2025, section 3, arXiv 2401.14391)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from torch import Tensor, nn

from ...core import Grid, Mask
from ...vit import sincos
from .cross_attention import CrossAttention
from .transformer import _init, _norm

Memory = Sequence[Tensor]


class QueryBlock(nn.Module):
    """Cross-attention to a memory and an MLP; `among`: self-attention of the queries in front, which CrossMAE leaves out."""

    def __init__(self, dim: int, heads: int, width: int, *, among: bool):
        super().__init__()
        self.norm0, self.among = (_norm(dim), Attention(dim, heads, qkv_bias=True)) if among else (None, None)
        self.norm1, self.norm2 = _norm(dim), _norm(dim)
        self.cross, self.mlp = CrossAttention(dim, heads, width=width), Mlp(dim, 4 * dim)

    def mixed(self, x: Tensor) -> Tensor:
        return x if self.among is None or self.norm0 is None else x + self.among(self.norm0(x))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.mixed(x)
        x = x + self.cross(self.norm1(x), memory)
        return x + self.mlp(self.norm2(x))


class Queries(nn.Module):
    """decoder(memory, mask) → guesses (B, N, out); `some(memory, ids)` of the patches `ids` (B, M) alone, equal to those rows.

    memory: tokens (B, prefix + K, width) of several encoder layers. Each block reads a mixture of its own of them, behind a norm,
    with weights (`mixing`) that begin as noise around 0; a single layer is read as it is. A query is a mask token and its place.
    """

    def __init__(
        self,
        width: int,
        out: int,
        grid: Grid,
        *,
        layers: int = 1,
        dim: int = 512,
        depth: int = 8,
        heads: int | None = None,
        among: bool = False,
    ):
        super().__init__()
        heads = max(dim // 32, 1) if heads is None else heads
        self.grid = grid
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions: Tensor
        self.register_buffer("positions", sincos(grid, dim), persistent=False)
        self.blocks = nn.ModuleList(QueryBlock(dim, heads, width, among=among) for _ in range(depth))
        self.norm, self.head = _norm(dim), nn.Linear(dim, out)
        self.apply(_init)
        nn.init.normal_(self.token, std=0.02)
        if layers > 1:
            self.weights = nn.Parameter(torch.randn(depth, layers) * layers**-0.5)
            self.norms = nn.ModuleList(_norm(width) for _ in range(depth))

    @property
    def mixing(self) -> Tensor:
        """(blocks, layers): how much of each encoder layer each block reads; of one layer, ones."""
        return self.weights.detach() if hasattr(self, "weights") else torch.ones(len(self.blocks), 1)

    def forward(self, seen: Memory, mask: Mask) -> Float[Tensor, "B N D"]:
        return self.some(seen, torch.arange(self.grid.count, device=seen[0].device).expand(len(seen[0]), -1))

    def some(self, memory: Memory, ids: Int[Tensor, "B M"]) -> Float[Tensor, "B M D"]:
        """Guesses (B, M, out) for these patches."""
        x = self._placed(ids)
        for block, read in zip(self.blocks, self._read(memory), strict=True):
            x = block(x, read)
        return self.head(self.norm(x))

    def attention(self, memory: Memory, ids: Int[Tensor, "B M"]) -> list[Float[Tensor, "B heads M T"]]:
        """For every block: how much each of these patches reads of each token of the memory, prefix first; rows sum to 1."""
        x, found = self._placed(ids), []
        block: Any
        for block, read in zip(self.blocks, self._read(memory), strict=True):
            found.append(block.cross.weights(block.norm1(block.mixed(x)), read))
            x = block(x, read)
        return found

    def _placed(self, ids: Tensor) -> Tensor:
        return self.token + self.positions[0][ids]

    def _read(self, memory: Memory) -> list[Tensor]:
        """What each block reads, (B, T, width)."""
        if not hasattr(self, "weights"):
            return [memory[0]] * len(self.blocks)
        mixed = torch.einsum("kl,lbtc->kbtc", self.weights, torch.stack(list(memory)))
        return [norm(each) for norm, each in zip(self.norms, mixed, strict=True)]
