"""Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks. Wang et al. CVPRW 2020. arXiv 1910.01279.

Each channel, enlarged and scaled to 0..1, masks the picture (equations 4 to 6); the scores it leaves, through a softmax over the
channels as in the authors' code, are the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import layer_of
from ._cam import positive, weighted
from ._probing import Partial, Probe, last, scores


@dataclass(frozen=True)
class ScoreCAM:
    """(B, rows, cols) on the grid of the block; no gradient, one pass for each of its channels.

    layer: as for `GradCAM`. relu: whether the negative part is cut. batch: passes at a time, chosen where None.
    """

    layer: int | None = None
    relu: bool = True
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        heat = last(self.stream(scene))
        return positive(scene, heat.values, self, layer_of(scene, self.layer), relu=self.relu)

    def passes(self, scene: Scene) -> int:
        return scene.trace.maps(layer_of(scene, self.layer)).shape[1]

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map of the channels so far."""
        maps, images = scene.trace.maps(layer_of(scene, self.layer)), scene.images  # (B, C, rows, cols)
        probe = Probe(scene, maps.shape[1], batch=self.batch)
        found = images.new_zeros(len(scene), maps.shape[1])

        def ask(i: int, j: int) -> Tensor:
            masks = enlarged(maps[:, i:j], images).transpose(0, 1)  # (K, B, H, W)
            return scores(scene, (masks[:, :, None] * images).flatten(0, 1)).T  # (B, K)

        for i, j, part in probe(ask):
            found[:, i:j] = part
            values = weighted(torch.softmax(found[:, :j], 1), maps[:, :j])
            yield probe.partial(values.clamp_min(0) if self.relu else values, self, signed=not self.relu)


def enlarged(maps: Tensor, images: Tensor) -> Tensor:
    """(B, K, rows, cols) → (B, K, H, W), each from 0 to 1."""
    large = F.interpolate(maps, size=images.shape[-2:], mode="bilinear", align_corners=False)
    low, high = large.amin((2, 3), keepdim=True), large.amax((2, 3), keepdim=True)
    return (large - low) / (high - low + 1e-8)
