"""From visible latents to hidden ones, and from these to a guess (CAE, Chen et al., IJCV 2024, section 3, arXiv 2202.03026)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...core import Grid, Mask
from ...vit import sincos
from .cross_attention import CrossAttention
from .transformer import _init, _norm

SCALE = 0.1  # layer scale that every block begins with


class RegressorBlock(nn.Module):
    """Hidden latents read visible ones and each other; places are added to queries and keys, never to values."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm_q, self.norm_k, self.norm_v, self.norm_mlp = (_norm(dim) for _ in range(4))
        self.cross, self.mlp = CrossAttention(dim, heads), Mlp(dim, 4 * dim)
        self.scale_cross, self.scale_mlp = (nn.Parameter(torch.full((dim,), SCALE)) for _ in range(2))

    def forward(self, x: Tensor, memory: Tensor, at: Tensor, memory_at: Tensor) -> Tensor:
        read = self.cross(self.norm_q(x + at), self.norm_k(memory + memory_at), self.norm_v(memory))
        x = self.norm_mlp(x + self.scale_cross * read)  # the norm stays in the stream, as in the authors' code
        return x + self.scale_mlp * self.mlp(x)

    def weights(self, x: Tensor, memory: Tensor, at: Tensor, memory_at: Tensor) -> Tensor:
        return self.cross.weights(self.norm_q(x + at), self.norm_k(memory + memory_at))


class Regressor(nn.Module):
    """regress(seen, mask): tokens (B, prefix + K, width) of the visible patches → latents (B, M, width) of the hidden ones, in the
    order of `mask.hidden_ids`. The prefix is left aside."""

    def __init__(self, width: int, grid: Grid, *, prefix: int, depth: int = 4, heads: int):
        super().__init__()
        self.prefix = prefix
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions: Tensor
        self.register_buffer("positions", sincos(grid, width), persistent=False)
        self.blocks = nn.ModuleList(RegressorBlock(width, heads) for _ in range(depth))
        self.norm = _norm(width)
        self.apply(_init)
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, seen: Float[Tensor, "B T C"], mask: Mask) -> Float[Tensor, "B M C"]:
        return self._through(seen, mask, None)

    def attention(self, seen: Float[Tensor, "B T C"], mask: Mask) -> list[Float[Tensor, "B heads M N"]]:
        """For every block: how much each hidden patch reads of each visible one, then of each hidden one; rows sum to 1."""
        found: list[Tensor] = []
        self._through(seen, mask, found)
        return found

    def _through(self, seen: Tensor, mask: Mask, found: list[Tensor] | None) -> Tensor:
        visible, places = seen[:, self.prefix :], self.positions[0]
        at = places[mask.hidden_ids]  # (B, M, width)
        memory_at = torch.cat([places[mask.keep_ids], at], 1)
        x = self.token.expand(*at.shape)
        block: Any
        for block in self.blocks:
            given = (x, torch.cat([visible, x], 1), at, memory_at)
            if found is not None:
                found.append(block.weights(*given))
            x = block(*given)
        return self.norm(x)


class FromHidden(nn.Module):
    """decoder(latents, ids): latents (B, M, width) of the patches `ids` (B, M), which see each other alone → (B, M, out)."""

    def __init__(self, width: int, out: int, grid: Grid, *, depth: int = 4, heads: int):
        super().__init__()
        self.positions: Tensor
        self.register_buffer("positions", sincos(grid, width), persistent=False)
        made: Any = {"qkv_bias": True, "norm_layer": _norm, "init_values": SCALE}
        self.blocks = nn.Sequential(*(Block(width, heads, **made) for _ in range(depth)))
        self.norm, self.head = _norm(width), nn.Linear(width, out)
        self.apply(_init)

    def forward(self, latents: Float[Tensor, "B M C"], ids: Int[Tensor, "B M"]) -> Float[Tensor, "B M D"]:
        return self.head(self.norm(self.blocks(latents + self.positions[0][ids])))
