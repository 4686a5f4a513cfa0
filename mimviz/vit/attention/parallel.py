"""Attention and MLP side by side in one block (Dehghani et al., Scaling ViT to 22B, ICML 2023, arXiv 2302.05442, equation 1)."""

from __future__ import annotations

from typing import Any

import torch
from timm.models.vision_transformer import DiffParallelScalingBlock, ParallelScalingBlock
from torch import Tensor, nn

from .diff import differing
from .mixing import Mixing
from .plain import masked
from .reader import Reader


def read_parallel(module: Any, x: Tensor, *, attn_mask: Tensor | None = None, is_causal: bool = False) -> Mixing:
    """`x` (B, N, C) as it went into the whole block, with the keywords of that call."""
    _, q, k, v = torch.split(module.in_proj(module.in_norm(x)), module.in_split, dim=-1)
    bias = masked(x, attn_mask, is_causal)
    if hasattr(module, "sub_norm"):
        return differing(module, q, k, v, bias)
    q, k, v = (each.unflatten(-1, (module.num_heads, -1)) for each in (q, k, v))
    q, k = module.q_norm(q).transpose(1, 2), module.k_norm(k).transpose(1, 2)
    return Mixing(q, k, v.transpose(1, 2), module.scale, bias)


def _enters(module: Any) -> nn.Module:
    if isinstance(module, DiffParallelScalingBlock):
        return module.sub_norm
    if module.attn_out_proj is None:
        raise TypeError("this block projects attention and MLP as one, so its attention · V is never seen apart")
    return module.attn_out_proj


def _beside(module: Any, mixed: Tensor, x: Tensor) -> Tensor:
    """(B, N, C): the block's output."""
    inner = torch.split(module.in_proj(module.in_norm(x)), module.in_split, dim=-1)[0]
    inner = module.mlp_act(inner if module.mlp_bias is None else inner + module.mlp_bias)
    if isinstance(module, DiffParallelScalingBlock):
        mixed = (module.sub_norm(mixed) * (1 - module.lambda_init)).transpose(1, 2).flatten(2)
        return x + module.ls(module.out_proj(torch.cat((mixed, inner), dim=-1)))
    return x + module.ls(module.attn_out_proj(mixed) + module.mlp_out_proj(inner))


READER = Reader((ParallelScalingBlock, DiffParallelScalingBlock), read_parallel, enters=_enters, output=_beside)
