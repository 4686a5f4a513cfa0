"""ConViT's gated positional self-attention (d'Ascoli et al., ICML 2021, arXiv 2103.10697, equations 6 and 7) and its plain one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from timm.models.convit import GPSA, MHSA
from torch import Tensor

from .mixing import ALL, Heads, Mixing, Rows, part, softmax
from .reader import Reader


@dataclass(frozen=True, eq=False)
class Gated(Mixing):
    """A = (1 − σ(λ)) softmax(q · kᵀ · scale) + σ(λ) softmax(position), rows made to sum to 1.

    `share` (heads,) is σ(λ), how much of each head is positional, 0..1; `position` (1, heads, N, N) are the positions' scores.
    """

    position: Tensor = field(default_factory=lambda: torch.zeros(()))
    share: Tensor = field(default_factory=lambda: torch.zeros(()))

    def content(self, rows: Rows = ALL, heads: Heads = ALL) -> Tensor:
        """(B, heads, R, N): what the patches' likeness alone would attend to."""
        return softmax(self._scores(rows, heads))

    def positional(self, rows: Rows = ALL, heads: Heads = ALL) -> Tensor:
        """(1, heads, R, N): what the relative positions alone would attend to; the same for every picture."""
        return torch.softmax(part(self.position, rows, heads), dim=-1)

    def _made(self, rows: Rows, heads: Heads) -> Tensor:
        share = self.share[heads].view(1, -1, 1, 1)
        both = (1.0 - share) * self.content(rows, heads) + share * self.positional(rows, heads)
        return both / both.sum(-1, keepdim=True)


def read_gpsa(module: Any, x: Tensor) -> Gated:
    """`x` (B, N, C) as it went into the module, without a class token."""
    q, k = module.qk(x).unflatten(-1, (2, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    v = module.v(x).unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
    position = module.pos_proj(module.rel_indices).permute(0, 3, 1, 2)  # (1, heads, N, N)
    return Gated(q, k, v, module.scale, late=True, position=position, share=module.gating_param.sigmoid())


def read_mhsa(module: Any, x: Tensor) -> Mixing:
    """`x` (B, N, C) as it went into the module."""
    q, k, v = module.qkv(x).unflatten(-1, (3, module.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return Mixing(q, k, v, module.scale, late=True)


READER = Reader((GPSA,), read_gpsa)
READER_PLAIN = Reader((MHSA,), read_mhsa)
