"""Pointed: any map of a picture as a score, a lens's for example, so that what it points at is hidden first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Generator, Tensor

from ...core import Grid, Heatmap


@dataclass(frozen=True)
class Pointed:
    """Scores: the mean of `source(images)`, a Heatmap on patches or on pixels, over each patch. `least`: lowest first.

    `Highest(0.5, score=Pointed(lambda images: Rollout()(Scene(model, images))))`
    """

    source: Callable[[Tensor], Heatmap]
    least: bool = False

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        found = self.source(images).values.float()
        if len(found) != len(images):
            raise ValueError(
                f"the map is of {len(found)} pictures, but there are {len(images)}: one for each is wanted"
            )
        score = F.adaptive_avg_pool2d(found[:, None], grid.shape)[:, 0].to(images.device)
        return Heatmap(-score if self.least else score, by=self, signed=True)
