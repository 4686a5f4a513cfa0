"""Layers: what a teacher's last blocks say, side by side (MaskAlign, Xue et al., CVPR 2023, section 3.2, arXiv 2211.08887)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .features import Features, normed


@dataclass(frozen=True)
class Layers(Features):
    """target(images, mask) → (B, N, top · width): the last `top` blocks, each with a norm of its own, the last at the end."""

    top: int = 5

    def __post_init__(self):
        super().__post_init__()
        if not self.top:
            raise ValueError("top is 0, but the features of at least one block are wanted")

    @property
    def width(self) -> int:
        return self.top * self.teacher.width

    def joined(self, layers: list[Tensor]) -> Tensor:
        return torch.cat([normed(each, self.each) for each in layers], dim=-1)
