"""Visualizing Deep Neural Network Decisions: Prediction Difference Analysis. Zintgraf et al. ICLR 2017. arXiv 1702.04595.

Feature ablation, as captum has it: one region after another is replaced by a baseline, and the fall of the score is its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._pixels import Baseline, blank
from ._probing import Partial, Probe, last, scores
from ._regions import Regions, labels


@dataclass(frozen=True)
class FeatureAblation:
    """(B, H, W), signed: by how much the target's score falls when the region of a pixel is replaced.

    regions: "slic", about `count` superpixels of like colour, or the model's "patches". baseline: what replaces a region. One
    pass for each region. batch: passes at a time, chosen where None.
    """

    regions: Regions = "slic"
    count: int = 50
    baseline: Baseline = "mean"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return int(labels(scene, self.regions, self.count).max()) + 1

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map with the regions so far; 0 where none was removed yet."""
        yield from ablated(scene, labels(scene, self.regions, self.count), self)


def ablated(scene: Scene, regions: Tensor, by: FeatureAblation) -> Iterator[Partial]:
    """With regions of one's own: `regions` (B, H, W), numbered from 0."""
    if tuple(regions.shape) != (len(scene), *scene.images.shape[-2:]):
        raise ValueError(f"regions are {tuple(regions.shape)}, but {(len(scene), *scene.images.shape[-2:])} is wanted")
    images, filled = scene.images, blank(scene, by.baseline)
    whole = scores(scene, images)[0]  # (B,)
    probe = Probe(scene, int(regions.max()) + 1, batch=by.batch)

    def ask(i: int, j: int) -> Tensor:
        gone = regions == torch.arange(i, j, device=images.device)[:, None, None, None]  # (K, B, H, W)
        return whole - scores(scene, torch.where(gone[:, :, None], filled, images).flatten(0, 1))  # (K, B)

    falls = images.new_zeros(probe.passes, len(scene))
    for i, j, part in probe(ask):
        falls[i:j] = part
        values = falls.T.gather(1, regions.flatten(1)).reshape(regions.shape)
        yield probe.partial(values.float(), by, signed=True)
