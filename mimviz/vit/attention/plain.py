"""timm's plain `Attention`: one projection to q, k and v, norms of q and k where there are any, an additive or boolean mask."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.attention import Attention
from torch import Tensor, nn

from .mixing import Mixing
from .reader import Reader


def read_plain(module: Any, x: Tensor, *, attn_mask: Tensor | None = None, is_causal: bool = False) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call."""
    q, k, v = module.qkv(x).unflatten(-1, (3, module.num_heads, module.head_dim)).permute(2, 0, 3, 1, 4)
    return Mixing(module.q_norm(q), module.k_norm(k), v, module.scale, masked(x, attn_mask, is_causal))


def masked(x: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor | None:
    """A mask as numbers to add to the scores: a boolean one (True = attend) becomes 0 and −inf."""
    if is_causal:
        return x.new_full((x.shape[1], x.shape[1]), float("-inf")).triu_(1)
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, float("-inf"))


def norm(module: Any) -> nn.Module:
    """`norm`, the identity in most models, sees A · V before the gate and the projection do."""
    return module.norm


def gated(module: Any, mixed: Tensor, x: Tensor) -> Tensor:
    """(B, N, C): norm, gate and projection of A · V."""
    mixed = module.norm(mixed)
    if module.gate is not None:
        mixed = mixed * module.gate(x).sigmoid()
    return module.proj(mixed)


READER = Reader((Attention,), read_plain, enters=norm, output=gated)
