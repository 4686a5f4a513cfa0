"""ResNet and ConvNeXt: what is hidden is hidden in the picture itself, since a convolution sees past the edge of a cell."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .passes import Pass, back, rows


class ConvolutionalPass(Pass):
    """A row is the normalized pixels of a cell of the last grid, as `Grid.patchify` orders them; the result is the last stage's."""

    whole = "a convolution needs the neighbours of every cell"

    def row(self, vit: Any) -> int:
        return 3 * self.anatomy.grid.patch**2

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        return self.anatomy.grid.patchify(images)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        content, order = back(content, ids, self.anatomy, self.whole)
        x = vit.forward_features(self.anatomy.grid.unpatchify(content))  # (B, width, rows, cols)
        return rows(x.flatten(2).transpose(1, 2), order)
