"""A small transformer over the encoded patches and a mask token for each hidden one (MAE, He et al., CVPR 2022, section 3)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...core import Grid, Mask
from ...vit import sincos

_norm: Any = partial(nn.LayerNorm, eps=1e-6)


class Transformer(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + K, width) of the visible patches → guesses (B, N, out) for all patches."""

    def __init__(
        self, width: int, out: int, grid: Grid, *, prefix: int, dim: int = 512, depth: int = 8, heads: int | None = None
    ):
        super().__init__()
        heads = max(dim // 32, 1) if heads is None else heads
        if depth < 0 or heads < 1 or dim % heads or dim % 4:
            raise ValueError(
                f"decoder has dim {dim}, depth {depth} and {heads} heads (dim / 32 unless told): "
                "dim must divide by heads and by 4, and none may be negative"
            )
        self.grid, self.prefix = grid, prefix
        self.embed = nn.Linear(width, dim)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions: Tensor
        self.register_buffer("positions", sincos(grid, dim, prefix=prefix), persistent=False)
        self.blocks = blocks(dim, heads, depth)
        self.norm = _norm(dim)
        self.head = nn.Linear(dim, out)
        self.apply(_init)
        nn.init.normal_(self.token, std=0.02)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        return self.tokens(seen, mask)[:, self.prefix :]  # (B, N, out)

    def tokens(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B T D"]:
        """The same with the guesses for the class and register tokens in front: (B, prefix + N, out)."""
        return self.head(self.norm(self.blocks(self.placed(seen, mask))))

    def placed(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B T D"]:
        """What goes into the first block: (B, prefix + N, dim), the learned token in the hidden places, positions added."""
        x = self.embed(seen)  # (B, prefix + K, dim)
        B, _, D = x.shape
        ids = mask.keep_ids[..., None].expand(-1, -1, D)
        if x.shape[1] - self.prefix != ids.shape[1]:
            raise ValueError(
                f"the encoder hands on {x.shape[1] - self.prefix} patches, but {ids.shape[1]} are visible, and this decoder brings "
                "its own token for each hidden one: leave hidden patches out, how=Drop()"
            )
        patches = (
            self.token.to(x.dtype).expand(B, self.grid.count, D).scatter(1, ids, x[:, self.prefix :])
        )  # (B, N, dim)
        return torch.cat([x[:, : self.prefix], patches], dim=1) + self.positions


def blocks(dim: int, heads: int, depth: int) -> nn.Sequential:
    """The blocks of a plain ViT."""
    return nn.Sequential(*(Block(dim, heads, qkv_bias=True, norm_layer=_norm) for _ in range(depth)))


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
