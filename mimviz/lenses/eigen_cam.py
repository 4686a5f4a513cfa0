"""Eigen-CAM: Class Activation Map using Principal Components. Muhammad, Yeasin. IJCNN 2020. arXiv 2008.00299.

The projection of every position's features on their first principal component (section III). It asks about no class. A component
has no sign of its own: here its larger end is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import layer_of


@dataclass(frozen=True)
class EigenCAM:
    """(B, rows, cols) on the grid of the block, signed: the direction in which its features differ most; no class is asked about.

    center: whether the mean feature is taken away first, as the public implementations do.
    """

    layer: int | None = None
    center: bool = True

    def __call__(self, scene: Scene) -> Heatmap:
        maps = scene.trace.maps(layer_of(scene, self.layer)).float()
        features = maps.flatten(2).transpose(1, 2)  # (B, N, C)
        if self.center:
            features = features - features.mean(1, keepdim=True)
        _, _, axes = torch.linalg.svd(features, full_matrices=False)
        along = (features @ axes[:, 0, :, None])[..., 0]  # (B, N)
        largest = along.gather(1, along.abs().argmax(1, keepdim=True))
        return Heatmap((along * largest.sign()).reshape(-1, *maps.shape[-2:]).detach(), by=self, signed=True)
