"""Noise: every patch draws a number (MAE's random masking, He et al., CVPR 2022, arXiv 2111.06377)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Heatmap


@dataclass(frozen=True)
class Noise:
    """Uniform scores in 0..1, independent for each patch."""

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        scores = torch.rand(
            len(images), *grid.shape, generator=generator, device=generator.device if generator else images.device
        )
        return Heatmap(scores.to(images.device), by=self)
