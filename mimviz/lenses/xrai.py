"""XRAI: Better Attributions Through Regions. Kapishnikov et al. ICCV 2019. arXiv 1906.02825.

Integrated gradients from black and from white are averaged and summed over regions of several scales; regions are added greedily
by the density of what they add (algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._greedy import greedy, segments
from ._pixels import Baseline
from ._probing import Partial, Probe, last
from .integrated_gradients import IntegratedGradients


@dataclass(frozen=True)
class XRAI:
    """(B, H, W), signed: the density of attribution at which a pixel's region was added; "the top 20 %" are the highest values.

    steps: passes for each of the baselines. channels: how the attribution's colours are joined, their signed "sum" (the paper's)
    or their largest "max" (PAIR's code). min_size, dilate: of segments, in pixels of a picture of 224.
    """

    steps: int = 50
    channels: Literal["sum", "max"] = "sum"
    baselines: tuple[Baseline, ...] = ("black", "white")
    min_size: int = 150
    dilate: int = 5
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps * len(self.baselines)

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map with the baselines so far."""
        if not self.baselines or self.channels not in ("sum", "max"):
            raise ValueError(
                f"baselines={self.baselines}, channels={self.channels!r}, but at least one and 'sum' or 'max' are wanted"
            )
        cut = [segments(each.array, min_size=self.min_size, dilate=self.dilate) for each in scene.pictures]
        count, sums = Probe(scene, self.passes(scene), batch=self.batch), torch.zeros_like(scene.images)
        for index, baseline in enumerate(self.baselines):
            path = IntegratedGradients(self.steps, baseline=baseline, batch=self.batch)
            sums = sums + path.attributions(scene)
            mean = sums / (index + 1)
            joined = mean.sum(1) if self.channels == "sum" else mean.amax(1)
            flat = joined.flatten(1).double().cpu().numpy()
            values = np.stack([greedy(row, members)[0] for row, members in zip(flat, cut, strict=True)])
            count.done = self.steps * (index + 1)
            shown = torch.from_numpy(values.reshape(joined.shape)).float().to(scene.images.device)
            yield count.partial(shown, self, signed=True)


def top(heat: Heatmap, share: float) -> Tensor:
    """(B, H, W) boolean: the regions that cover the top `share` 0..1 of the area, whole regions only where values are equal."""
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, but it must lie above 0 and up to 1")
    flat = heat.values.flatten(1)
    rank = max(round(share * flat.shape[1]), 1)
    edge = flat.sort(1, descending=True).values[:, rank - 1 : rank]
    return (flat >= edge).reshape(heat.values.shape)
