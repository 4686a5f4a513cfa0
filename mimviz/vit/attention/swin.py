"""Shifted windows: Swin (Liu et al., ICCV 2021, arXiv 2103.14030) and Swin v2 (CVPR 2022, arXiv 2111.09883).

v2 compares directions only: scores are cosines times a learnt scale, and a small network of log-spaced distances makes the bias.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from timm.models.swin_transformer import WindowAttention, window_partition
from timm.models.swin_transformer_v2 import WindowAttention as WindowAttentionV2
from torch import Tensor
from torch.nn.functional import normalize, pad

from ...core import Grid
from .mixing import Mixing
from .reader import Reader
from .rope import qkv
from .windows import Windowed


def read_swin(module: Any, x: Tensor, *, mask: Tensor | None = None) -> Mixing:
    """`x` (B · windows, n, C) as it went into the module; `mask` (windows, n, n) keeps apart what the shift brought together."""
    q, k, v = qkv(module, x).unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return Mixing(q, k, v, module.scale, _masked(module._get_rel_pos_bias(), mask, len(x)))


def read_swin2(module: Any, x: Tensor, *, mask: Tensor | None = None) -> Mixing:
    """The same for v2."""
    q, k, v = qkv(module, x).unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    scale = module.logit_scale.clamp(max=math.log(100.0)).exp()  # (heads, 1, 1)
    table = module.cpb_mlp(module.relative_coords_table).flatten(0, 2)  # (distances, heads)
    bias = 16 * torch.sigmoid(table[module.relative_position_index].permute(2, 0, 1))  # (heads, n, n)
    bias = _masked(bias[None], mask, len(x))
    return Mixing(normalize(q, dim=-1), normalize(k, dim=-1), v, scale, bias, late=True)


def _masked(bias: Tensor, mask: Tensor | None, windows: int) -> Tensor:
    """(1 or B · windows, heads, n, n): bias and mask as one."""
    if mask is None:
        return bias
    return bias + mask[:, None].repeat(windows // len(mask), 1, 1, 1)


def place_swin(model: Any, name: str, mixing: Mixing, *, keys: Grid, queries: Grid) -> Windowed:
    """The windows' cells: numbers of the picture's cells take the way of the tokens, shifted, padded and cut."""
    block = model.get_submodule(name.rpartition(".")[0])
    numbers = torch.arange(queries.count, device=mixing.q.device).view(1, *queries.shape, 1)
    numbers = numbers.roll((-block.shift_size[0], -block.shift_size[1]), dims=(1, 2))
    down, right = (-queries.rows % block.window_size[0], -queries.cols % block.window_size[1])
    at = window_partition(pad(numbers, (0, 0, 0, right, 0, down), value=-1), block.window_size).flatten(1)  # (W, n)
    return Windowed(mixing, at, at, queries.count, queries.count)


READER = Reader((WindowAttention,), read_swin, place=place_swin)
READER_V2 = Reader((WindowAttentionV2,), read_swin2, place=place_swin)
