"""A transformer that also looks at a second view, by cross-attention in every block (CroCo, NeurIPS 2022, section 3.2)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...core import Grid, Mask
from .transformer import Transformer, _init, _norm


class CrossBlock(Block):
    """Self-attention, cross-attention to a memory, MLP; without a memory it is the plain block."""

    def __init__(self, dim: int, heads: int):
        super().__init__(dim, heads, qkv_bias=True, norm_layer=_norm)
        self.heads = heads
        self.norm_cross, self.norm_memory = _norm(dim), _norm(dim)
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:  # type: ignore[override]
        x = x + self.attn(self.norm1(x))
        if memory is not None:
            q, k, v = self._qkv(x, memory)
            x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))

    def looks(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, heads, T, M): how much each token, going into this block, looks at each token of the memory."""
        q, k, _ = self._qkv(x + self.attn(self.norm1(x)), memory)
        return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)

    def _qkv(self, x: Tensor, memory: Tensor) -> list[Tensor]:
        """(B, heads, T or M, dim / heads) each."""
        k, v = self.kv(self.norm_memory(memory)).chunk(2, dim=-1)
        return [each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.q(self.norm_cross(x)), k, v)]


class Cross(Transformer):
    """decoder(seen, mask, other): `other` (B, prefix + N, width) is what the encoder made of the second view; None for none.

    Without it the decoder is `Transformer`.
    """

    def __init__(
        self, width: int, out: int, grid: Grid, *, prefix: int, dim: int = 512, depth: int = 8, heads: int | None = None
    ):
        super().__init__(width, out, grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
        heads = max(dim // 32, 1) if heads is None else heads
        self.blocks = nn.Sequential(*(CrossBlock(dim, heads) for _ in range(depth)))
        self.blocks.apply(_init)

    def forward(
        self, seen: Float[Tensor, "B K C"], mask: Mask, other: Float[Tensor, "B M C"] | None = None
    ) -> Float[Tensor, "B N D"]:
        x, memory = self.placed(seen, mask), self._memory(other)
        for block in self.blocks:
            x = block(x, memory)
        return self.head(self.norm(x))[:, self.prefix :]

    def looks(
        self, seen: Float[Tensor, "B K C"], mask: Mask, other: Float[Tensor, "B M C"]
    ) -> list[Float[Tensor, "B heads N N"]]:
        """For every block: how much each patch of the first view looks at each patch of the second; rows sum to 1 or less."""
        x, memory, found = self.placed(seen, mask), self._memory(other), []
        block: Any
        for block in self.blocks:
            found.append(block.looks(x, memory)[:, :, self.prefix :, self.prefix :])
            x = block(x, memory)
        return found

    def _memory(self, other: Tensor | None) -> Tensor | None:
        return None if other is None else self.embed(other) + self.positions
