"""A decoder of codes, fed with the class token wherever nothing is known (MAGE, Li et al., CVPR 2023, section 3.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...core import Grid, Mask
from .transformer import _norm, blocks


class Coder(nn.Module):
    """decoder(seen, mask, ids, words): tokens (B, prefix + K, width) of the patches `ids` → scores (B, N, count) of every word.

    What the encoder says of a hidden patch is left aside: hidden patches, dropped or not, begin as the class token. The score of a
    word is its embedding (`words`, (count, width)) times what the last layer makes of the token.
    """

    def __init__(
        self,
        width: int,
        count: int,
        grid: Grid,
        *,
        prefix: int,
        dim: int = 512,
        depth: int = 8,
        heads: int | None = None,
    ):
        super().__init__()
        if prefix < 1:
            raise ValueError("the encoder has no class token, with which this decoder fills hidden patches")
        self.grid, self.prefix = grid, prefix
        self.embed = nn.Linear(width, dim)
        self.positions = nn.Parameter(torch.empty(1, prefix + grid.count, dim))
        heads = max(dim // 32, 1) if heads is None else heads
        self.blocks, self.norm = blocks(dim, heads, depth), _norm(dim)
        self.head = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(count))
        nn.init.normal_(self.positions, std=0.02)

    def forward(
        self, seen: Float[Tensor, "B T C"], mask: Mask, ids: Int[Tensor, "B K"] | None, words: Float[Tensor, "V C"]
    ) -> Float[Tensor, "B N V"]:
        x = self.embed(seen)
        prefix, patches = x[:, : self.prefix], x[:, self.prefix :]
        unknown = x[:, :1].expand(-1, self.grid.count, -1)
        if ids is not None:
            patches = unknown.scatter(1, ids[..., None].expand_as(patches), patches)
        patches = torch.where(mask.hidden[..., None], unknown, patches)
        x = self.norm(self.blocks(torch.cat([prefix, patches], 1) + self.positions))[:, self.prefix :]
        return self.head(x) @ words.T + self.bias
