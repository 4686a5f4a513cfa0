"""Learning Important Features Through Propagating Activation Differences. Shrikumar et al. ICML 2017. arXiv 1704.02685.

The rescale rule (section 3.5.1) by captum, whose hooks are gone afterwards. The rule is known for ReLU, sigmoid, tanh, softplus,
ELU and max pooling; through GELU, LayerNorm and attention's softmax the plain gradient at the picture is taken, so that on a ViT
the map does not sum to S(picture) − S(baseline): `completeness` tells by how much.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import DeepLift
from torch import Tensor, nn

from ..core import Heatmap
from ..vit import Scene
from ..vit.rules import out_of_place
from . import _pixels
from ._pixels import Baseline, Channels, Completeness, blank, joined


class _Scorer(nn.Module):
    """The scene's score as a module, which captum wants."""

    def __init__(self, scene: Scene):
        super().__init__()
        self.model, self._ask = scene.model, scene.score

    def forward(self, images: Tensor) -> Tensor:
        return self._ask(images)


@dataclass(frozen=True)
class DeepLIFT:
    """(B, H, W), signed: the share of each pixel in S(picture) − S(baseline), where the rule covers the model."""

    baseline: Baseline = "mean"
    channels: Channels = "sum"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        scene.score(scene.images)
        wrapped: Any = _Scorer(scene)
        with torch.enable_grad(), out_of_place(scene.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that captum sets hooks, which it also takes away
            found = DeepLift(wrapped).attribute(scene.images.detach(), baselines=blank(scene, self.baseline))
        return found.detach()

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """How far the map is from summing to S(picture) − S(baseline)."""
        return _pixels.completeness(scene, heat, blank(scene, self.baseline))
