"""LayerCAM: Exploring Hierarchical Class Activation Maps for Localization. Jiang et al. TIP 2021. doi 10.1109/TIP.2021.3089943.

ReLU(Σ ReLU(g) ⊙ A) (equations 6 and 7): every position has a weight of its own, so that early layers give fine maps.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import feature
from ._cam import positive, weighted


@dataclass(frozen=True)
class LayerCAM:
    """(B, rows, cols) on the grid of the block: where a channel is strong and more of it, right there, would raise the score."""

    layer: int | None = None
    relu: bool = True

    def __call__(self, scene: Scene) -> Heatmap:
        at = feature(scene, self.layer)
        return positive(scene, weighted(at.grad.clamp_min(0), at.map), self, at.layer, relu=self.relu)
