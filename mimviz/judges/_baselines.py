"""Maps that any method must beat: they know nothing of the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core import Heatmap, seeded
from ..lenses._artifacts import slope
from ..vit import Scene


@dataclass(frozen=True)
class RandomMap:
    """(B, rows, cols): a number from 0..1 for every patch, drawn anew for each picture by its pixels and `seed`."""

    seed: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        drawn = [torch.rand(scene.grid.shape, generator=seeded(self._seed(image))) for image in scene.images]
        return Heatmap(torch.stack(drawn).to(scene.images.device), by=self)

    def _seed(self, image: torch.Tensor) -> int:
        """Of the picture's content: the same picture has the same map in whatever batch it comes."""
        return (int(image.double().sum().mul(1e6).round()) + 1_000_003 * self.seed) % 2**31


@dataclass(frozen=True)
class EdgeMap:
    """(B, H, W): the length of Sobel's gradient of the grey picture, which looks like a saliency map and asks no model."""

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(slope(scene.images.float()), by=self)
