"""Guided Integrated Gradients: An Adaptive Path Method for Removing Noise. Kapishnikov et al. CVPR 2021. arXiv 2106.09788.

The way from the baseline moves, at every step, those pixels first whose gradient is smallest (algorithm 1), inside a band of
`fraction` around the straight way. One way for each picture, and each step needs the one before: no step can share a pass with
another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from . import _pixels
from ._pixels import Baseline, Channels, Completeness, blank, joined
from ._probing import Partial, Probe, gradients, last, newest


@dataclass(frozen=True)
class GuidedIG:
    """(B, H, W), signed: the share of each pixel in S(picture) − S(baseline), along a way that keeps out of noise.

    steps: passes. fraction: the share of the smallest gradients that moves at once. band: how far, 0..1, a pixel may leave the
    straight way; 0 is (nearly) integrated gradients, 1 is free.
    """

    steps: int = 50
    fraction: float = 0.25
    band: float = 0.02
    baseline: Baseline = "mean"
    channels: Channels = "sum"

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map after each step."""
        for probe, sums in self._walked(scene):
            yield probe.partial(joined(scene, sums, self.channels), self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return newest(self._walked(scene))[1]

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """How far the map is from summing to S(picture) − S(baseline)."""
        return _pixels.completeness(scene, heat, blank(scene, self.baseline))

    def _walked(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        if not 0 < self.fraction <= 1 or not 0 <= self.band <= 1:
            raise ValueError(f"fraction={self.fraction}, band={self.band}, but shares from 0 to 1 are wanted")
        start, end = blank(scene, self.baseline).flatten(1).double(), scene.images.flatten(1).double()
        x, sums = start.clone(), torch.zeros_like(end)
        probe = Probe(scene, self.steps, batch=1)

        def ask(i: int, _: int) -> Tensor:
            return gradients(scene, x.reshape(scene.images.shape).to(scene.images))[0].flatten(1).double()

        for i, _, grad in probe(ask):
            for b in range(len(x)):
                there = moved(x[b], grad[b].abs(), start[b], end[b], (i + 1) / self.steps, self.band, self.fraction)
                sums[b] += (there - x[b]) * grad[b]
                x[b] = there
            yield probe, sums.reshape(scene.images.shape).float()


def moved(x: Tensor, size: Tensor, start: Tensor, end: Tensor, alpha: float, band: float, fraction: float) -> Tensor:
    """x (P,) of one picture after a step: at the share `alpha` of the L1 way to `end`, by small gradients `size`."""
    way, low, high = end - start, max(alpha - band, 0.0), min(alpha + band, 1.0)
    least, most = start + way * low, start + way * high
    left = float(way.abs().sum()) * (1 - alpha)
    share = torch.where(way != 0, (x - start) / torch.where(way != 0, way, 1.0), high)
    x = torch.where(share < low, least, x)  # who fell behind the band catches up
    while True:
        distance = float((x - end).abs().sum())
        if math.isclose(distance, left, rel_tol=1e-9, abs_tol=1e-9):
            return x
        size = torch.where(x == most, torch.inf, size)
        threshold = size.sort().values[int(fraction * (len(size) - 1))]
        chosen = (size <= threshold) & size.isfinite()
        able = float(((x - most).abs() * chosen).sum())
        if able <= 0 and not size.isfinite().any():
            return x
        part = (distance - left) / able if able > 0 else math.inf
        if part <= 1:
            return torch.where(chosen, x + (most - x) * part, x)
        x = torch.where(chosen, most, x)
