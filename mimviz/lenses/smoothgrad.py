"""SmoothGrad: removing noise by adding noise. Smilkov, Thorat, Kim, Viégas, Wattenberg. ICML Workshop 2017. arXiv 1706.03825.

The mean of gradients at noisy copies of the picture; with its variance (VarGrad: Adebayo et al., ICLR Workshop 2018, arXiv
1810.03307) and its mean square (SmoothGrad²: Hooker et al., NeurIPS 2019, arXiv 1806.10758).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._pixels import Channels, joined
from ._probing import Partial, Probe, gradients, last, newest, noise


@dataclass(frozen=True)
class SmoothGrad:
    """(B, H, W): the mean gradient over `samples` noisy copies, joined over the colours as `Gradient` does.

    noise: the standard deviation, as a share of the picture's range from its darkest to its brightest number. Equal seeds give
    equal maps, whatever the batch.
    """

    samples: int = 25
    noise: float = 0.15
    seed: int = 0
    channels: Channels = "max"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.samples

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map of the samples so far."""
        for probe, values in self._sampled(scene):
            yield probe.partial(
                joined(scene, values, self.channels), self, signed=self.channels == "sum" and self._signed
            )

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return newest(self._sampled(scene))[1]

    _signed = True

    def _sampled(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        images = scene.images
        if not self.noise >= 0:
            raise ValueError(f"noise is {self.noise}, but a share of the picture's range is wanted, such as 0.15")
        spread = self.noise * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
        probe = Probe(scene, self.samples, batch=self.batch)

        def ask(i: int, j: int) -> Tensor:
            grads = gradients(scene, (images + spread * noise(scene, self.seed, i, j)).flatten(0, 1))
            return torch.stack([grads.sum(0), grads.square().sum(0)])

        sums = images.new_zeros(2, *images.shape)
        for _, _, part in probe(ask):
            sums = sums + part
            yield probe, self._joined(*(sums / probe.done))

    def _joined(self, mean: Tensor, square: Tensor) -> Tensor:
        """Of the gradients' mean and mean square."""
        return mean


@dataclass(frozen=True)
class VarGrad(SmoothGrad):
    """(B, H, W), at least 0: the variance of the gradient over noisy copies."""

    _signed = False

    def _joined(self, mean: Tensor, square: Tensor) -> Tensor:
        return (square - mean.square()).clamp_min(0)


@dataclass(frozen=True)
class SmoothGradSquared(SmoothGrad):
    """(B, H, W), at least 0: the mean of the squared gradient over noisy copies."""

    _signed = False

    def _joined(self, mean: Tensor, square: Tensor) -> Tensor:
        return square
