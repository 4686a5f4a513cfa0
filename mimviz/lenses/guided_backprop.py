"""Striving for Simplicity: The All Convolutional Net. Springenberg et al. ICLR Workshop 2015. arXiv 1412.6806.

Guided backpropagation. Pretty, and hardly about the class: Nie, Zhang and Patel (ICML 2018, arXiv 1805.07039) show that it
recovers the picture's edges whatever the class, so read it beside `Gradient`. Defined for ReLU; in nets with smooth activations
their slope stands for the gate, which no theory covers.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.rules import ReLURule, gated
from ._pixels import Channels, joined
from ._probing import gradients


@dataclass(frozen=True)
class GuidedBackprop:
    """(B, H, W): the gradient with negative signals stopped at every activation, joined over the colours as `Gradient` does."""

    channels: Channels = "max"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return through_gates(scene, "guided")


def through_gates(scene: Scene, rule: ReLURule) -> Tensor:
    """(B, 3, H, W): the score's gradient with another rule at activations; ValueError for a model that has none."""
    scene.score(scene.images)  # the target is chosen by the untouched model
    with gated(scene.model, rule) as gates:
        if not gates:
            raise ValueError(
                f"{type(scene.model).__name__} has no activation module, so '{rule}' is the plain gradient: use Gradient"
            )
        return gradients(scene, scene.images)[0]
