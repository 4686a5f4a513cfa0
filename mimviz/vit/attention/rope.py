"""Rotary positions (Su et al., RoFormer, arXiv 2104.09864) as timm's `EvaAttention` and `AttentionRope` turn q and k by them."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.attention import AttentionRope
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import EvaAttention
from torch import Tensor

from .mixing import Mixing
from .plain import gated, masked, norm
from .reader import Reader


def read_rope(
    module: Any, x: Tensor, *, rope: Tensor | None = None, attn_mask: Tensor | None = None, is_causal: bool = False
) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call; prefix tokens are not turned."""
    q, k, v = _projected(module, x)
    q, k = module.q_norm(q), module.k_norm(k)
    if rope is not None:
        half = getattr(module, "rotate_half", False)
        q, k = turned(q, rope, half).type_as(v), turned(k, rope, half).type_as(v)
    shared = q.shape[1] // k.shape[1]  # queries of several heads may share a key and a value
    k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    return Mixing(q, k, v, module.scale, masked(x, attn_mask, is_causal))


def _projected(module: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if module.qkv is None:
        apart = (module.q_proj(x), module.k_proj(x), module.v_proj(x))
        q, k, v = (each.unflatten(-1, (-1, module.head_dim)).transpose(1, 2) for each in apart)
        return q, k, v
    q, k, v = qkv(module, x).unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return q, k, v


def qkv(module: Any, x: Tensor) -> Tensor:
    """(B, N, 3 · C): one projection, with biases of q and v that EVA and BEiT keep apart from it."""
    if getattr(module, "q_bias", None) is None:
        return module.qkv(x)
    bias = torch.cat((module.q_bias, module.k_bias, module.v_bias))
    if module.qkv_bias_separate:
        return module.qkv(x) + bias
    return torch.nn.functional.linear(x, module.qkv.weight, bias)


def turned(x: Tensor, rope: Tensor, half: bool) -> Tensor:
    """x (B, heads, M, d), its last patches turned by sines and cosines of `rope`."""
    still = x.shape[2] - rope.shape[-2]  # as many in front as there are tokens without an angle
    return torch.cat([x[:, :, :still], apply_rot_embed_cat(x[:, :, still:], rope, half=half)], dim=2)


READER = Reader((EvaAttention, AttentionRope), read_rope, enters=norm, output=gated)
