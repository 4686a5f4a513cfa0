"""BEiT's attention (Bao et al., arXiv 2106.08254): a bias by relative position, of the layer, shared by all layers, or both."""

from __future__ import annotations

from typing import Any

from timm.models.beit import Attention
from torch import Tensor

from .mixing import Mixing
from .reader import Reader
from .rope import qkv


def read_beit(module: Any, x: Tensor, *, shared_rel_pos_bias: Tensor | None = None) -> Mixing:
    """`x` (B, N, C) as it went into the module, with the keywords of that call."""
    q, k, v = qkv(module, x).unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    bias = shared_rel_pos_bias
    if module.relative_position_bias_table is not None:
        own = module._get_rel_pos_bias()
        bias = own if bias is None else own + bias
    return Mixing(q, k, v, module.scale, bias)


READER = Reader((Attention,), read_beit)
