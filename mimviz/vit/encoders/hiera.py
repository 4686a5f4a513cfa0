"""Hiera: attention inside mask units first, then everywhere; a whole unit can be left out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .passes import Pass, rows


class HieraPass(Pass):
    """A row is the pixels of a cell of the last grid, which is a mask unit: timm's own path for masked pictures takes the rest."""

    def row(self, vit: Any) -> int:
        return 3 * self.anatomy.grid.patch**2

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        return self.anatomy.grid.patchify(images)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        grid = self.anatomy.grid
        if ids is None:
            return self._ordered(vit, vit.forward_features(grid.unpatchify(content)))
        if (unit := grid.rows // vit.mask_spatial_shape[0]) != 1 and ids.shape[1] != grid.count:
            raise ValueError(
                f"{ids.shape[1]} of {grid.count} patches are kept, but this Hiera leaves out whole mask units of {unit} x {unit}: "
                "hide patches with a mask token instead"
            )
        pixels = content.new_zeros(len(content), grid.count, content.shape[-1])
        images = grid.unpatchify(pixels.scatter(1, ids[..., None].expand_as(content), content))
        if ids.shape[1] == grid.count:
            return rows(self._ordered(vit, vit.forward_features(images)), ids)
        keep = torch.zeros(len(ids), grid.count, dtype=torch.bool, device=ids.device).scatter(1, ids, True)
        x = vit.forward_features(images, mask=keep)  # (B, K, width), the units kept in ascending order
        return rows(x, ids.argsort(1).argsort(1))

    def _ordered(self, vit: Any, x: Tensor) -> Tensor:
        """(B, N, width) row by row: the last block's tokens lie unit by unit where units hold several."""
        return vit.reroll(x, len(vit.blocks) - 1).flatten(1, 2)
