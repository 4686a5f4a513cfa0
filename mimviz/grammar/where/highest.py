"""Highest: hide the share of patches that scores highest; with `Noise` this is MAE's random masking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Generator, Tensor

from ...core import Grid, Heatmap, Mask
from .noise import Noise

Score = Callable[..., Heatmap]


@dataclass(frozen=True)
class Highest:
    """where(images, grid) → Mask. `score(images, grid, generator)` gives a Heatmap on patches; its top `ratio` is hidden.

    Keeps ⌊N · (1 − ratio)⌋ patches, at least one while ratio < 1; among equal scores the first patches stay visible.
    """

    ratio: float = 0.75
    score: Score = field(default_factory=Noise)

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        scores = self.score(images, grid, generator).values
        if tuple(scores.shape[1:]) != grid.shape:
            raise ValueError(
                f"score by {self.score} has {tuple(scores.shape[1:])} values, but the grid has {grid.shape} patches"
            )
        return Mask.from_noise(scores.flatten(1), ratio=self.ratio, shape=grid.shape)
