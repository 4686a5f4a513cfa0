"""Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. Selvaraju et al. ICCV 2017. arXiv 1610.02391.

ReLU(Σ α_k A^k) with α_k the mean gradient of channel k over its positions (equations 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import feature
from ._cam import positive, weighted


@dataclass(frozen=True)
class GradCAM:
    """(B, rows, cols) on the grid of the block: where its channels, weighted by what they mean to the target, are strong.

    layer: a block, 0 is the first, -1 the last; None is the last whose patches reach the score: -2 in a ViT that reads its class
    token. relu: whether the negative part is cut, as in the paper.
    """

    layer: int | None = None
    relu: bool = True

    def __call__(self, scene: Scene) -> Heatmap:
        at = feature(scene, self.layer)
        return positive(scene, weighted(at.grad.mean((2, 3)), at.map), self, at.layer, relu=self.relu)
