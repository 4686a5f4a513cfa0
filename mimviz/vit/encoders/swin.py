"""Swin v1 and v2: attention inside shifted windows, patches merged 2 × 2 between stages."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .passes import Pass, back, rows


class SwinPass(Pass):
    """A row is a cell of the last grid, the first stage's patches in it side by side: a mask token hides them all."""

    whole = "its windows are full squares of neighbours, and merging takes 2 x 2 of them"

    def row(self, vit: Any) -> int:
        return self._fine**2 * vit.patch_embed.proj.out_channels

    @property
    def _fine(self) -> int:
        """Patches of the first stage along one side of a cell of the last."""
        return self.anatomy.grid.patch // self.anatomy.stages[0].patch

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        rows_, cols, f = self.anatomy.grid.rows, self.anatomy.grid.cols, self._fine
        x = vit.patch_embed(images)  # (B, fine rows, fine cols, C)
        return x.unflatten(2, (cols, f)).unflatten(1, (rows_, f)).transpose(2, 3).reshape(len(x), rows_ * cols, -1)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        rows_, cols, f = self.anatomy.grid.rows, self.anatomy.grid.cols, self._fine
        content, order = back(content, ids, self.anatomy, self.whole)
        x = content.reshape(len(content), rows_, cols, f, f, -1).transpose(2, 3)
        x = vit.norm(vit.layers(x.reshape(len(content), rows_ * f, cols * f, -1)))  # (B, rows, cols, width)
        return rows(x.flatten(1, 2), order)
