"""GridWise: an even lattice of visible patches (MAE's grid-wise masking, He et al., CVPR 2022, figure 6, arXiv 2111.06377)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Heatmap


@dataclass(frozen=True)
class GridWise:
    """Scores by ordered dither, so that any ratio leaves an even lattice: at 75 % one of every 2 × 2 patches, as in MAE.

    The order is Bayer's (An optimum method for two-level rendition of continuous-tone pictures, ICC 1973).
    """

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        bayer = torch.zeros(1, 1)
        while bayer.shape[0] < max(grid.shape):
            bayer = torch.cat([torch.cat([4 * bayer, 4 * bayer + 2], 1), torch.cat([4 * bayer + 3, 4 * bayer + 1], 1)])
        scores = bayer[: grid.rows, : grid.cols].to(images.device)
        return Heatmap(scores.expand(len(images), -1, -1), by=self)
