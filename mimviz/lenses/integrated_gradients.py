"""Axiomatic Attribution for Deep Networks. Sundararajan, Taly, Yan. ICML 2017. arXiv 1703.01365.

(x − x') · ∫ ∂S(x' + α(x − x'))/∂x dα (equation 1), so that the map sums to S(x) − S(x') (proposition 1): what the sum over a few
steps leaves open is told by `completeness`. The first layer of most models is linear in the picture: then the way is one between
what that layer makes of both ends, and the gradient goes back through it once, which is the same to rounding.
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
from ..vit.first_layer import first_layer
from . import _pixels
from ._pixels import Baseline, Channels, Completeness, blank, joined
from ._probing import Partial, Probe, gradients, last, newest

Rule = Literal["gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid"]


@dataclass(frozen=True)
class IntegratedGradients:
    """(B, H, W), signed: the share of each pixel in S(picture) − S(baseline).

    steps: points on the straight way from the baseline, one pass each. rule: how the integral is summed; "gausslegendre" needs the
    fewest steps. baseline: the picture that stands for nothing. batch: passes at a time, chosen where None.
    """

    steps: int = 50
    rule: Rule = "gausslegendre"
    baseline: Baseline = "mean"
    channels: Channels = "sum"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map after each batch of steps: the integral over the part of the way that is done."""
        for probe, sums in self._integrated(scene):
            yield probe.partial(joined(scene, sums, self.channels), self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        return newest(self._integrated(scene))[1]

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """How far the map is from summing to S(picture) − S(baseline)."""
        return _pixels.completeness(scene, heat, blank(scene, self.baseline))

    def _integrated(self, scene: Scene) -> Iterator[tuple[Probe, Tensor]]:
        start = blank(scene, self.baseline)
        way, first = scene.images - start, first_layer(scene)
        begin, end = first.rows(start), first.rows(scene.images)
        alphas, weights = (
            scene.images.new_tensor(each)[:, None, None, None, None] for each in quadrature(self.rule, self.steps)
        )
        probe = Probe(scene, self.steps, batch=self.batch)

        def ask(i: int, j: int) -> Tensor:
            at = torch.lerp(begin, end, alphas[i:j])  # (K, B, C, h, w)
            return (weights[i:j] * gradients(scene, at.flatten(0, 1), first=first)).sum(0)

        sums = torch.zeros_like(begin)
        for _, _, part in probe(ask):
            sums = sums + part
            yield probe, first.back(sums) * way


def quadrature(rule: Rule, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in 0..1 and their weights, which sum to 1. (captum's weights of "riemann_trapezoid" sum to 1 − 1/steps.)"""
    least = 2 if rule == "riemann_trapezoid" else 1
    if steps < least:
        raise ValueError(f"steps is {steps}, but {rule} needs at least {least}")
    if rule == "gausslegendre":
        points, weights = np.polynomial.legendre.leggauss(steps)
        return (1 + points) / 2, weights / 2
    if rule == "riemann_trapezoid":
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    shifts = {"riemann_left": 0.0, "riemann_middle": 0.5, "riemann_right": 1.0}
    if rule not in shifts:
        raise ValueError(
            f"rule is {rule!r}, but one of gausslegendre, riemann_trapezoid, {', '.join(shifts)} is wanted"
        )
    return (np.arange(steps) + shifts[rule]) / steps, np.full(steps, 1 / steps)
