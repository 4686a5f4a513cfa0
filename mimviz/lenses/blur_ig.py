"""Attribution in Scale and Space. Xu, Venugopalan, Sundararajan. CVPR 2020. arXiv 2004.03383.

Integrated gradients along the way from a blurred picture to the picture: −∫ ∂S/∂x(σ) · ∂x(σ)/∂σ dσ (equation 5). Gaussian blur as
PAIR's `saliency` has it: steps of σ from 0 to its largest, a forward difference for the derivative, black beyond the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from . import _pixels
from ._pixels import Channels, Completeness, joined
from ._probing import Partial, Probe, gradients, last, newest


@dataclass(frozen=True)
class BlurIG:
    """(B, H, W), signed: the share of each pixel in S(picture) − S(picture blurred by `sigma`).

    steps: points on the way, one pass each. sigma: the largest blur in pixels. root: more points where the blur is strong, σ =
    √(σ_max · t).
    """

    steps: int = 50
    sigma: float = 50.0
    root: bool = False
    channels: Channels = "sum"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map after each batch of steps, from no blur on."""
        for probe, sums in self._integrated(scene):
            yield probe.partial(joined(scene, sums, self.channels), self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return newest(self._integrated(scene))[1]

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """How far the map is from summing to S(picture) − S(blurred)."""
        return _pixels.completeness(scene, heat, blurred(scene.images, self.sigmas[-1]))

    @property
    def sigmas(self) -> np.ndarray:
        """(steps + 1,), from 0 to `sigma`."""
        if self.steps < 1 or not self.sigma > 0:
            raise ValueError(
                f"steps={self.steps}, sigma={self.sigma}, but at least 1 step and a blur above 0 are wanted"
            )
        even = np.linspace(0, self.sigma, self.steps + 1)
        return np.sqrt(even) if self.root else even

    def _integrated(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        sigmas, images = self.sigmas, scene.images
        probe = Probe(scene, self.steps, batch=self.batch)

        def ask(i: int, j: int) -> Tensor:
            at = torch.stack([blurred(images, sigma) for sigma in sigmas[i:j]])  # (K, B, 3, H, W)
            on = torch.stack([blurred(images, sigma + 0.01) for sigma in sigmas[i:j]])
            width = images.new_tensor(np.diff(sigmas)[i:j])[:, None, None, None, None]
            return -(width * (on - at) / 0.01 * gradients(scene, at.flatten(0, 1))).sum(0)

        sums = torch.zeros_like(images)
        for _, _, part in probe(ask):
            sums = sums + part
            yield probe, sums


def blurred(images: Tensor, sigma: float) -> Tensor:
    """(B, 3, H, W), by `sigma` pixels, with 0 beyond the edges."""
    if sigma == 0:
        return images
    array = gaussian_filter(images.double().cpu().numpy(), (0, 0, sigma, sigma), mode="constant")
    return torch.from_numpy(array).to(images)
