"""CRATE's subspace attention: one projection is query, key and value."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..crate import MSSA
from .mixing import Mixing
from .plain import masked
from .reader import Reader


def read_crate(module: Any, x: Tensor, *, attn_mask: Tensor | None = None) -> Mixing:
    w = module.qkv(x).unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
    return Mixing(w, w, w, module.scale, masked(x, attn_mask, False))


READER = Reader((MSSA,), read_crate)
