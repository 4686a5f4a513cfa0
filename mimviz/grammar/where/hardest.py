"""Hardest: hide what is predicted to be hard, more of it as training goes on (HPM, Wang et al., CVPR 2023, arXiv 2304.05919)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from ...core import Grid, Heatmap, Mask
from ..teacher import EMA
from .noise import Noise


@dataclass(frozen=True)
class PredictedLoss:
    """Scores: the loss that a teacher's predictor, the first of its `others`, expects at each patch of the whole picture."""

    teacher: EMA = field(repr=False)

    @torch.no_grad()
    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Heatmap:
        nothing = Mask.none(grid).to(images.device).expand(len(images))
        expected = self.teacher.others[0](self.teacher(images), nothing)[..., 0]
        return Heatmap(expected.float().reshape(-1, *grid.shape), by=self)


@dataclass(frozen=True)
class Hardest:
    """where(images, grid) → Mask: of the hidden patches a share α scores highest, the others are drawn from the rest.

    α goes from `start` to `end` in `steps` updates of the teacher, then stays: from easy to hard. At α = 0 the mask is MAE's.
    """

    score: PredictedLoss
    ratio: float = 0.75
    start: float = 0.0
    end: float = 0.5
    steps: int = 1000

    @property
    def share(self) -> float:
        """α now."""
        return self.start + (self.end - self.start) * min(int(self.score.teacher.updates) / self.steps, 1.0)

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        noise = Noise()(images, grid, generator).values.flatten(1)
        hidden = Mask.from_noise(noise, ratio=self.ratio, shape=grid.shape).count
        if count := int(hidden * self.share):
            hardest = self.score(images, grid).values.flatten(1).topk(count).indices
            noise = noise.scatter(1, hardest, 2.0)
        return Mask.from_noise(noise, ratio=self.ratio, shape=grid.shape)
