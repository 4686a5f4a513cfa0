"""timm's NaFlexVit at one size: a table of positions stretched to the grid, rotary positions where it has them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .eva import rotations
from .passes import Pass, in_front, rows


class NaFlexPass(Pass):
    def embed(self, vit: Any, images: Tensor) -> Tensor:
        embeds, patch = vit.embeds, self.anatomy.grid.patch
        if not embeds.is_linear:
            return embeds.norm(embeds.proj(images).flatten(2).transpose(1, 2))
        x = self.anatomy.grid.patchify(images)  # (B, N, patch · patch · 3)
        if not getattr(embeds, "channels_last", True):
            x = x.unflatten(-1, (patch * patch, -1)).transpose(-1, -2).flatten(2)
        x = x if embeds.norm_input is None else embeds.norm_input(x)
        return embeds.norm(embeds.proj(x))

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        embeds = vit.embeds
        prefix = [token for token in (embeds.cls_token, embeds.reg_token) if token is not None]
        x = vit.norm_pre(embeds.pos_drop(in_front(prefix, content + rows(self._positions(embeds, content), ids))))
        for block, rope in zip(vit.blocks, rotations(vit, self.anatomy.grid.shape, ids), strict=True):
            x = block(x) if rope is None else block(x, rope=rope)
        return vit.norm(x)

    def _positions(self, embeds: Any, content: Tensor) -> Tensor:
        """(1, N, C): what the module adds to patches that are nothing."""
        grid = self.anatomy.grid
        table = content.new_zeros(1, grid.count, content.shape[-1])
        if embeds.pos_embed_type == "learned":
            embeds._apply_learned_pos_embed(table, grid_size=list(grid.shape))
        elif embeds.pos_embed_type == "factorized":
            embeds._apply_factorized_pos_embed(table, grid_size=list(grid.shape))
        return table
