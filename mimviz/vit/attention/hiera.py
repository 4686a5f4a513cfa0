"""Hiera's mask-unit attention (Ryali et al., ICML 2023, arXiv 2306.00989): within units, later global.

Where a block pools, its queries lie on a grid twice as coarse as its keys: the map is (B, heads, N / 4, N).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from timm.models.hiera import MaskUnitAttention
from torch import Tensor

from ...core import Grid
from .mixing import Mixing
from .reader import Reader
from .windows import Windowed


@dataclass(frozen=True, eq=False)
class Units(Mixing):
    """q (B · units, heads, Q, d): the tokens of a unit are `units` apart in the module's own order."""

    units: int = 1

    def split(self, mixed: Tensor) -> Tensor:
        """(B, Q · units, heads · d') → (B · units, heads, Q, d')."""
        return (
            mixed.unflatten(-1, (self.v.shape[1], -1))
            .unflatten(1, (-1, self.units))
            .permute(0, 2, 3, 1, 4)
            .flatten(0, 1)
        )

    def join(self, heads: Tensor) -> Tensor:
        return heads.unflatten(0, (-1, self.units)).permute(0, 3, 1, 2, 4).flatten(3).flatten(1, 2)


def read_hiera(module: Any, x: Tensor) -> Mixing:
    """`x` (B, N, C) as it went into the module, unit by unit."""
    units = x.shape[1] // (module.q_stride * module.window_size) if module.use_mask_unit_attn else 1
    parts = module.qkv(x).unflatten(-1, (3, module.heads, -1)).unflatten(1, (-1, units))  # (B, n, units, 3, heads, d)
    q, k, v = parts.permute(3, 0, 2, 4, 1, 5).flatten(1, 2)  # (B · units, heads, n, d)
    q = q.unflatten(2, (module.q_stride, -1)).amax(2)
    return Units(q, k, v, module.scale, units=units)


def place_hiera(model: Any, name: str, mixing: Mixing, *, keys: Grid, queries: Grid) -> Windowed:
    """The cells of the tokens in the module's order, from the model's own way back to the picture's."""
    block = int(name.split(".")[1])
    assert isinstance(mixing, Units)
    at = _cells(model, block, queries.count, mixing)
    key_at = at if keys == queries else _cells(model, block - 1, keys.count, mixing)
    return Windowed(mixing, at, key_at, queries.count, keys.count)


def _cells(model: Any, block: int, count: int, mixing: Units) -> Tensor:
    """(units, n): the cell of the picture that each token of a unit lies on, after `block`."""
    order = torch.arange(count, device=mixing.q.device)
    rolled = model.reroll(order[None, :, None], block).flatten()  # the token that lies on each cell
    return torch.empty_like(order).scatter_(0, rolled, order).view(-1, mixing.units).T


READER = Reader((MaskUnitAttention,), read_hiera, place=place_hiera, pools=True)
