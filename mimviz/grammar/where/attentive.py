"""Attentive: what a teacher looks at is likely to be seen (MaskAlign, Xue et al., CVPR 2023, section 3.1, arXiv 2211.08887)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from ...core import Grid, Mask
from .attended import Attention
from .sampled import visible_by


@dataclass(frozen=True)
class Attentive:
    """where(images, grid) → Mask: visible patches are drawn without replacement, in proportion to `score`; the rest is hidden."""

    score: Attention
    ratio: float = 0.7

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return visible_by(self.score(images, grid).values.flatten(1), self.ratio, grid, generator)
