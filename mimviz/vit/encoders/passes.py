"""What every family has in common: embed pictures, encode patches, and rows picked by the numbers of the patches kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..anatomy import Anatomy


@dataclass(frozen=True)
class Pass:
    """A pass through the models of one family, for pictures of one size.

    `embed(vit, images)`: (B, 3, height, width) → (B, N, width of a row), before positions. `encode(vit, content, ids)`: the
    rows of the patches numbered `ids` (B, K), or of all N in order (None) → tokens (B, prefix + K, width). `whole`: why patches
    cannot be left out; None where they can.
    """

    anatomy: Anatomy
    whole: ClassVar[str | None] = None

    def row(self, vit: Any) -> int:
        """Numbers in a row of what `embed` makes."""
        return self.anatomy.width

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        raise NotImplementedError

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        raise NotImplementedError


def rows(table: Tensor, ids: Tensor | None) -> Tensor:
    """(1 or B, N, C) → its rows `ids` (B, K, C)."""
    if ids is None:
        return table
    return table.expand(len(ids), -1, -1).gather(1, ids[..., None].expand(-1, -1, table.shape[-1]))


def in_front(prefix: list[Tensor], x: Tensor, positions: Tensor | None = None) -> Tensor:
    """Prefix tokens (1, P, C) each, with their own positions (1, all of them, C) if any, then x (B, K, C)."""
    if not prefix:
        return x
    front = torch.cat([token.expand(len(x), -1, -1) for token in prefix], dim=1)
    return torch.cat([front if positions is None else front + positions, x], dim=1)


def placed(content: Tensor, ids: Tensor | None, prefix: list[Tensor], table: Tensor | None, count: int) -> Tensor:
    """Adds a table of positions (1, N or prefix + N, C), where there is one, and the prefix tokens: (B, prefix + K, C)."""
    if table is None:
        return in_front(prefix, content)
    shared = table.shape[1] - count  # positions of prefix tokens; 0 where these have none
    return in_front(prefix, content + rows(table[:, shared:], ids), table[:, :shared] if shared else None)


def pairs(bias: Tensor, ids: Tensor | None, prefix: int) -> Tensor:
    """A bias between all tokens (heads, M, M) → between the prefix and the patches kept, (B, heads, prefix + K, prefix + K)."""
    if ids is None:
        return bias[None]
    kept = torch.cat([torch.arange(prefix, device=ids.device).expand(len(ids), -1), ids + prefix], dim=1)
    return bias[:, kept[:, :, None], kept[:, None, :]].transpose(0, 1)


def mixed(attn: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """(B, M, C): what the attention module makes of its own q, k and v (B, heads, M, d) when `bias` takes the place of its own."""
    dropped = attn.attn_drop.p if attn.training else 0.0
    x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropped, scale=attn.scale)
    return attn.proj_drop(attn.proj(x.transpose(1, 2).flatten(2)))


def back(x: Tensor, ids: Tensor | None, anatomy: Anatomy, why: str | None) -> tuple[Tensor, Tensor | None]:
    """(content of all N in order, order to give the result in) where every patch is there; else ValueError with the reason."""
    if ids is None:
        return x, None
    if ids.shape[1] != anatomy.grid.count:
        raise ValueError(
            f"{ids.shape[1]} of {anatomy.grid.count} patches are kept, but {anatomy.family} encodes all or none: {why}. "
            "Hide patches with a mask token instead of dropping them (grammar.how.MaskToken), or choose a plain ViT"
        )
    return rows(x, ids.argsort(dim=1)), ids
