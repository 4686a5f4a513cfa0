"""Regional Multi-scale Approach for Visually Pleasing Explanations of Deep Neural Networks. Seo et al. 2019. arXiv 1807.11720.

Prediction difference on superpixels of several scales: a region is taken out by drawing its pixels from a normal distribution of
the picture's border (the background prior); the change of the log odds, in bits, is its number, and the map is the mean over the
scales.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from ..vit.evaluating import evaluating
from ..vit.only_read import only_read
from ._probing import Partial, Probe, last
from ._regions import superpixels


@dataclass(frozen=True)
class RegionalMultiScale:
    """(B, H, W), signed, in bits: by how much the log odds of the target's class fall when the region of a pixel is taken out.

    scales: about how many superpixels each. samples: fillings of each region. spread: times the border's standard deviation; 0
    fills with its mean colour. smoothing: probabilities become (p · n + 1) / (n + classes), n pictures: none is 0 or 1.
    """

    scales: tuple[int, ...] = (25, 50, 100)
    samples: int = 2
    spread: float = 1.0
    smoothing: float = 1e6
    seed: int = 0
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return sum(int(each.max()) + 1 for each in self.regions(scene)) * self.samples

    def regions(self, scene: Scene) -> list[Tensor]:
        """(B, H, W) for each scale, numbered from 0 in each picture."""
        if not self.scales or self.samples < 1:
            raise ValueError(f"scales={self.scales}, samples={self.samples}, but at least one of each is wanted")
        cut = [np.stack([superpixels(each.array, count) for each in scene.pictures]) for count in self.scales]
        return [torch.from_numpy(each).to(scene.images.device) for each in cut]

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The mean over the scales so far; regions not yet taken out count 0."""
        regions, images = self.regions(scene), scene.images
        counts = [int(each.max()) + 1 for each in regions]
        probe = Probe(scene, sum(counts) * self.samples, batch=self.batch)
        whole, asked = (
            self.log_odds(scene, images),
            [(s, r, i) for s, n in enumerate(counts) for r in range(n) for i in range(self.samples)],
        )
        edges = [border(images, region) for region in regions]  # mean and deviation, (B, 3, 1, 1) each

        def ask(start: int, stop: int) -> Tensor:
            gone = torch.stack([regions[s] == r for s, r, _ in asked[start:stop]])  # (K, B, H, W)
            fill = torch.stack([self._fill(images, *each) for each in asked[start:stop]])
            mean, std = (torch.stack([edges[s][i] for s, _, _ in asked[start:stop]]) for i in (0, 1))
            filled = torch.where(gone[:, :, None], mean + self.spread * std * fill, images)
            return self.probability(scene, filled.flatten(0, 1)).reshape(-1, len(scene))

        left = [images.new_zeros(n, len(scene)) for n in counts]
        seen = [images.new_zeros(n, 1) for n in counts]
        for start, stop, part in probe(ask):
            for (s, r, _), p in zip(asked[start:stop], part, strict=True):
                left[s][r] += p
                seen[s][r] += 1
            values = torch.zeros_like(images[:, 0])
            for region, p, n in zip(regions, left, seen, strict=True):
                falls = torch.where(n > 0, whole - bits(p / n.clamp_min(1)), 0.0)  # (regions, B)
                values += falls.T.gather(1, region.flatten(1)).reshape(values.shape)
            yield probe.partial(values / len(regions), self, signed=True)

    def log_odds(self, scene: Scene, images: Tensor) -> Tensor:
        """(K,), of the target's class, in bits."""
        return bits(self.probability(scene, images))

    @torch.no_grad()
    def probability(self, scene: Scene, images: Tensor) -> Tensor:
        """(K,), smoothed. Raises ValueError for a target that is a function: it has no probability."""
        if callable(scene.target):
            raise ValueError(
                "target is a function, which has no probability: this lens wants a class by number or name"
            )
        ask = scene._scorer
        with evaluating(scene.model), only_read(scene.model):
            logits = scene.model(images).double()
        p = (ask(logits) - logits.logsumexp(-1)).exp()
        return ((p * self.smoothing + 1) / (self.smoothing + logits.shape[-1])).to(scene.images)

    def _fill(self, images: Tensor, scale: int, region: int, sample: int) -> Tensor:
        """(1, 3, H, W): the same for a picture alone and in a batch."""
        number = self.seed + sample + self.samples * (region + 100_000 * scale)
        return torch.randn(1, *images.shape[1:], generator=seeded(number)).to(images)


def bits(p: Tensor) -> Tensor:
    return (torch.log(p) - torch.log1p(-p)) / math.log(2)


def border(images: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, 3, 1, 1) of the pixels in superpixels that touch the picture's border."""
    edges = torch.zeros_like(regions, dtype=torch.bool)
    for b, region in enumerate(regions):
        outer = torch.cat([region[0], region[-1], region[:, 0], region[:, -1]]).unique()
        edges[b] = torch.isin(region, outer)
    weight = edges[:, None].to(images)
    count = weight.sum((2, 3), keepdim=True)
    mean = (images * weight).sum((2, 3), keepdim=True) / count
    return mean, (((images - mean).square() * weight).sum((2, 3), keepdim=True) / count).sqrt()
