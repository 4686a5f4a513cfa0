"""Pictures, or codes (B, N), → embeddings (B, N, width) of their codes, in the place of a ViT's patch embedding."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Coded(nn.Module):
    """`codes(images)` → (B, N, 1), with `grid` and `count`: a learned embedding for each of so many words."""

    def __init__(self, codes: Any, width: int):
        super().__init__()
        grid = codes.grid
        self.patch_size, self.img_size, self.grid_size = (grid.patch,) * 2, (grid.height, grid.width), grid.shape
        self._codes = (codes,)  # lives in the masked model, as its target
        self.words = nn.Embedding(codes.count, width)
        nn.init.normal_(self.words.weight, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        return self.words(self._codes[0](images)[..., 0] if images.ndim == 4 else images)
