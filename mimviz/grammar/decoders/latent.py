"""A decoder that asks for each hidden patch what is visible around it (Latent MIM, Wei et al., ECCV 2024, section 3.2)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Grid, Mask
from .cross import CrossBlock
from .transformer import Transformer, _init


class Latent(Transformer):
    """decoder(seen, mask): tokens (B, prefix + K, width) of the visible patches → (B, M, out) for the M hidden ones.

    Rows are `mask.hidden_ids`. Hidden patches are queries, tokens of the visible ones what they look at, in every block. A query
    begins as a learned token plus, where `cued`, the visible tokens weighted by how near they lie: softmax of the products of
    positions over √dim.
    """

    def __init__(
        self, width: int, out: int, grid: Grid, *, prefix: int, dim: int = 512, depth: int = 3, heads: int | None = None,
        cued: bool = True,
    ):  # fmt: skip
        super().__init__(width, out, grid, prefix=prefix, dim=dim, depth=0, heads=heads)
        heads = max(dim // 32, 1) if heads is None else heads
        self.cued = cued
        self.blocks = nn.Sequential(*(CrossBlock(dim, heads) for _ in range(depth)))
        self.blocks.apply(_init)
        self.whole = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        nn.init.zeros_(self.token)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B M D"]:
        x, memory = self._asked(seen, mask)
        for block in self.blocks:
            x = block(x, memory)
        return self.head(self.norm(x))[:, 1:]

    def looks(self, seen: Float[Tensor, "B K C"], mask: Mask) -> list[Float[Tensor, "B heads N N"]]:
        """For every block: how much each hidden patch looks at each visible one; 0 elsewhere."""
        x, memory = self._asked(seen, mask)
        found, block = [], None
        for block in self.blocks:
            weights = block.looks(x, memory)[:, :, 1:, self.prefix :]  # type: ignore[operator]
            full = weights.new_zeros(*weights.shape[:2], self.grid.count, self.grid.count)
            batch = torch.arange(len(x), device=x.device)[:, None, None]
            full[batch, :, mask.hidden_ids[:, :, None], mask.keep_ids[:, None]] = weights.permute(0, 2, 3, 1)
            found.append(full)
            x = block(x, memory)
        return found

    def _asked(self, seen: Tensor, mask: Mask) -> tuple[Tensor, Tensor]:
        """Queries (B, 1 + M, dim), one for the whole in front, and what they look at (B, prefix + K, dim)."""
        x, P = self.embed(seen), self.prefix
        table: Any = self.positions[0]
        hidden, visible = table[P + mask.hidden_ids], table[P + mask.keep_ids]  # (B, M, dim), (B, K, dim)
        token = self.token.expand(len(x), hidden.shape[1], -1)
        if self.cued:
            near = (hidden @ visible.transpose(1, 2) * hidden.shape[-1] ** -0.5).softmax(-1)
            token = token + near.to(x.dtype) @ x[:, P:]
        memory = x + torch.cat([table[:P].expand(len(x), -1, -1), visible], dim=1)
        return torch.cat([self.whole.expand(len(x), -1, -1), token + hidden], dim=1), memory
