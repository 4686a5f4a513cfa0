"""Visualizing and Understanding Convolutional Networks. Zeiler, Fergus. ECCV 2014. arXiv 1311.2901.

Deconvolution (section 2.1): the backward pass rectifies the signal where the forward pass rectified the activation. Like
`GuidedBackprop`, which see, it is hardly about the class.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._pixels import Channels, joined
from .guided_backprop import through_gates


@dataclass(frozen=True)
class Deconvolution:
    """(B, H, W): the backward signal with its negative part stopped at every activation, whatever passed there forward."""

    channels: Channels = "max"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return through_gates(scene, "deconvolution")
