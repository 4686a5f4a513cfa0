"""timm's `RelPosAttention`: a bias by relative position, from a table or a small network, of the layer or shared by all."""

from __future__ import annotations

from typing import Any

from timm.models.vision_transformer_relpos import RelPosAttention
from torch import Tensor

from .mixing import Mixing
from .reader import Reader


def read_relpos(module: Any, x: Tensor, *, shared_rel_pos: Tensor | None = None) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call; the layer's own bias stands for the shared one."""
    q, k, v = module.qkv(x).unflatten(-1, (3, module.num_heads, module.head_dim)).permute(2, 0, 3, 1, 4)
    bias = shared_rel_pos if module.rel_pos is None else module.rel_pos.get_bias()
    return Mixing(module.q_norm(q), module.k_norm(k), v, module.scale, bias)


READER = Reader((RelPosAttention,), read_relpos)
