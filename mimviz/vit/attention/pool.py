"""Attention pooling by a learnt query, as SigLIP's head does (Zhai et al., ICCV 2023, arXiv 2303.15343): 1 query × N keys."""

from __future__ import annotations

from typing import Any

from timm.layers.attention_pool import AttentionPoolLatent
from torch import Tensor

from .mixing import Mixing
from .plain import masked
from .reader import Reader


def read_pool(module: Any, x: Tensor, *, attn_mask: Tensor | None = None) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call."""
    if module.pos_embed is not None:
        x = x + module.pos_embed[None].to(x.dtype)
    q = module.q(module.latent.expand(len(x), -1, -1)).unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
    k, v = module.kv(x).unflatten(-1, (2, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return Mixing(module.q_norm(q), module.k_norm(k), v, module.scale, masked(x, attn_mask, False))


def _pooled(module: Any, mixed: Tensor, x: Tensor) -> Tensor:
    """(B, C): projection, MLP, and the first or the mean of the queries."""
    x = module.proj(mixed)
    if module.mlp is not None:
        x = x + module.mlp(module.norm(x))
    if module.pool == "token":
        return x[:, 0]
    return x.mean(1) if module.pool == "avg" else x


READER = Reader((AttentionPoolLatent,), read_pool, output=_pooled)
