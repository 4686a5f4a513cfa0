"""Explaining Image Classifiers with Multiscale Directional Image Representation. Kolek et al. CVPR 2023. arXiv 2211.12857.

WaveletX, the wavelet sibling of ShearletX in that paper (no maintained shearlet library is on PyPI): a mask over the
coefficients of the picture keeps as few as the class needs while noise stands for the others (equation 5), with a penalty on the
mask and on the grey picture that it leaves. The wavelet is Haar's, whose transform is a few sums and differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from ..vit.evaluating import evaluating
from ._probing import Partial, Probe, last, newest
from ._wavelets import restored, transformed

GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class WaveletX:
    """(B, H, W), at least 0: the strongest colour of the picture that is left, in 0..1 and a little beyond where wavelets ring.

    steps: of Adam at rate `lr`, `samples` passes each. sparse, spatial: weights of the mean mask and of the mean grey picture
    that is left. levels: of the transform, at most as many as halve the picture evenly.
    """

    steps: int = 60
    samples: int = 4
    sparse: float = 1.0
    spatial: float = 2.0
    distortion: float = 100.0
    levels: int = 4
    lr: float = 0.1
    seed: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps * self.samples

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The picture that is left after each step."""
        for probe, kept in self._optimized(scene):
            yield probe.partial(kept.abs().amax(1).float(), self)

    def explanation(self, scene: Scene) -> Tensor:
        """(B, 3, H, W) in 0..1 and a little beyond: the picture that is left, in colour."""
        return newest(self._optimized(scene))[1]

    def _optimized(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        mean, std = (scene.images.new_tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
        rgb, probe = scene.images * std + mean, Probe(scene, self.passes(scene), batch=self.samples)
        bands = transformed(rgb, self.levels)
        masks = [torch.ones_like(band[:, :1]).requires_grad_() for band in bands]
        grey = [(band * rgb.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True) for band in bands]
        climb, generator = torch.optim.Adam(masks, lr=self.lr), seeded(self.seed)
        with torch.no_grad():
            wanted = self._asked(scene, scene.images)

        def ask(_: int, __: int) -> Tensor:
            with torch.enable_grad():
                noisy = [
                    self._mixed(m, c, generator) for m, c in zip(masks, bands, strict=True)
                ]  # (S, B, 3, h, w) each
                images = (restored([each.flatten(0, 1) for each in noisy]) - mean) / std
                told = self._asked(scene, images).reshape(self.samples, -1)
                left = restored([m * g for m, g in zip(masks, grey, strict=True)]).abs().flatten(1).mean(1)
                share = torch.cat([m.flatten(1) for m in masks], 1).mean(1)
                loss = self.distortion * (told - wanted).square().mean(0) + self.sparse * share + self.spatial * left
                grads = torch.autograd.grad(loss.sum(), masks)
            for m, g in zip(masks, grads, strict=True):
                m.grad = g
            climb.step()
            with torch.no_grad():
                for m in masks:
                    m.clamp_(0, 1)
                return restored([m * c for m, c in zip(masks, bands, strict=True)])

        for _, _, kept in probe(ask):
            yield probe, kept

    def _asked(self, scene: Scene, images: Tensor) -> Tensor:
        """The target's probability, or its score where it is a function."""
        if callable(scene.target):
            return scene.score(images)
        ask = scene._scorer
        with evaluating(scene.model):
            logits = scene.model(images)
        return (ask(logits) - logits.logsumexp(-1)).exp()

    def _mixed(self, mask: Tensor, band: Tensor, generator: torch.Generator) -> Tensor:
        """What is hidden is drawn evenly from mean ± deviation of its band; the same draw for every picture."""
        low = band.mean((1, 2, 3), keepdim=True) - band.std((1, 2, 3), keepdim=True, correction=0)
        draw = torch.rand(self.samples, 1, *band.shape[1:], generator=generator).to(band)
        return mask * band + (1 - mask) * (low + 2 * band.std((1, 2, 3), keepdim=True, correction=0) * draw)
