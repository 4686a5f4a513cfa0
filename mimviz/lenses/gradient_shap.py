"""A Unified Approach to Interpreting Model Predictions. Lundberg, Lee. NeurIPS 2017. arXiv 1705.07874.

GradientSHAP, as captum and shap define it: the expectation of (x − x') · ∂S/∂x at a random point between a random baseline x'
and the picture with a little noise; the sum tends to S(x) − mean of S(x').
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from ._pixels import Baseline, Channels, Completeness, blank, joined
from ._probing import Partial, Probe, gradients, last, newest, noise


@dataclass(frozen=True)
class GradientSHAP:
    """(B, H, W), signed: the share of each pixel in S(picture) − mean of S(baselines).

    samples: random points, one pass each. baselines: the pictures that stand for nothing, drawn from evenly. noise: standard
    deviation, as a share of the picture's range. Equal seeds give equal maps, whatever the batch.
    """

    samples: int = 50
    baselines: tuple[Baseline, ...] = ("mean", "black", "white", "blur")
    noise: float = 0.0
    seed: int = 0
    channels: Channels = "sum"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.samples

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map of the samples so far."""
        for probe, values in self._sampled(scene):
            yield probe.partial(joined(scene, values, self.channels), self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return newest(self._sampled(scene))[1]

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """How far the map is from summing to S(picture) − mean of S(baselines)."""
        with torch.no_grad():
            away = torch.stack([scene.score(blank(scene, each)) for each in self.baselines]).mean(0)
            wanted = scene.score(scene.images) - away
        return Completeness(heat.values.flatten(1).sum(1), wanted.float())

    def draws(self) -> tuple[Tensor, Tensor]:
        """Which baseline, and where between it and the picture (0..1): (samples,) each, the same for all pictures."""
        if not self.baselines or self.samples < 1:
            raise ValueError(f"samples={self.samples}, baselines={self.baselines}, but at least one of each is wanted")
        generator, count = seeded(self.seed), (self.samples,)
        return torch.randint(len(self.baselines), count, generator=generator), torch.rand(count, generator=generator)

    def _sampled(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        images = scene.images
        blanks = torch.stack([blank(scene, each) for each in self.baselines])  # (L, B, 3, H, W)
        which, alphas = (each.to(images.device) for each in self.draws())
        spread = self.noise * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
        probe = Probe(scene, self.samples, batch=self.batch)

        def ask(i: int, j: int) -> Tensor:
            start = blanks[which[i:j]]  # (K, B, 3, H, W)
            end = images + (spread * noise(scene, self.seed, i, j) if self.noise else 0.0)
            at = start + alphas[i:j, None, None, None, None].to(images) * (end - start)
            return ((end - start) * gradients(scene, at.flatten(0, 1))).sum(0)

        sums = torch.zeros_like(images)
        for _, _, part in probe(ask):
            sums = sums + part
            yield probe, sums / probe.done
