"""Not Just a Black Box: Learning Important Features Through Propagating Activation Differences. Shrikumar et al. arXiv 2016. arXiv 1605.01713.

Input × gradient: the first-order change of the score on the way from the mean colour to the picture.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._pixels import Channels, joined


@dataclass(frozen=True)
class InputXGradient:
    """(B, H, W), signed: x · ∂S/∂x summed over the colours; x counts from the model's mean colour."""

    channels: Channels = "sum"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return scene.images * scene.image_grad
