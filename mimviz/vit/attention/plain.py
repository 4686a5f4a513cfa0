"""timm's plain `Attention`: one projection to q, k and v, norms of q and k where there are any, an additive or boolean mask."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.attention import Attention
from torch import Tensor

from .mixing import Mixing

MODULES: tuple[type, ...] = (Attention,)


def read_plain(module: Any, x: Tensor, *, attn_mask: Tensor | None = None, is_causal: bool = False) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call."""
    B, N, _ = x.shape
    q, k, v = module.qkv(x).reshape(B, N, 3, module.num_heads, module.head_dim).permute(2, 0, 3, 1, 4)
    bias = causal_bias(x) if is_causal else additive(attn_mask, x)
    return Mixing(module.q_norm(q), module.k_norm(k), v, module.scale, bias)


def additive(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """A mask as numbers to add to the scores: a boolean one (True = attend) becomes 0 and −inf."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, float("-inf"))


def causal_bias(x: Tensor) -> Tensor:
    N = x.shape[1]
    return x.new_full((N, N), float("-inf")).triu_(1)
