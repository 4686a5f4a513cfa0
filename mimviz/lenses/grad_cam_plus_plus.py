"""Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks. Chattopadhyay et al. WACV 2018. arXiv 1710.11063.

Equations 10, 11 and 19: each position's positive gradient is weighted by α = g² / (2 g² + Σ A · g³), with the powers of the
gradient standing for the higher derivatives of an exponential of the score.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import feature
from ._cam import positive, weighted


@dataclass(frozen=True)
class GradCAMPlusPlus:
    """(B, rows, cols) on the grid of the block: as `GradCAM`, made so that several objects of a class count alike."""

    layer: int | None = None
    relu: bool = True

    def __call__(self, scene: Scene) -> Heatmap:
        at = feature(scene, self.layer)
        alpha = self.alpha(at.map, at.grad)
        weights = (alpha * at.grad.clamp_min(0)).sum((2, 3))
        return positive(scene, weighted(weights, at.map), self, at.layer, relu=self.relu)

    def alpha(self, maps: Tensor, grad: Tensor) -> Tensor:
        """(B, C, rows, cols); 0 where the gradient is 0."""
        square = grad.square()
        below = 2 * square + maps.sum((2, 3), keepdim=True) * square * grad + 1e-6
        return torch.where(grad != 0, square / torch.where(below == 0, 1.0, below), 0.0)
