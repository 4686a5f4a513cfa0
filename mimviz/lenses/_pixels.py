"""From a number for every colour of every pixel to a map, and the colours that stand for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ..core import Heatmap
from ..vit import Scene

Channels = Literal["max", "sum", "abs"]
Baseline = Literal["mean", "black", "white", "blur"]


def joined(scene: Scene, attributions: Tensor, channels: Channels) -> Tensor:
    """(B, 3, H, W) → (B, H, W): over the colours, the largest magnitude, the sum, or the sum of magnitudes."""
    ways = {"max": lambda a: a.abs().amax(1), "sum": lambda a: a.sum(1), "abs": lambda a: a.abs().sum(1)}
    if channels not in ways:
        raise ValueError(f"channels is {channels!r}, but {', '.join(map(repr, ways))} is wanted")
    return ways[channels](attributions.reshape(scene.images.shape)).float()


def blank(scene: Scene, baseline: Baseline) -> Tensor:
    """(B, 3, H, W), normalized: mean colour (0), black, white, or a blur by an eighth of the height."""
    images = scene.images
    if baseline == "mean":
        return torch.zeros_like(images)
    if baseline in ("black", "white"):
        mean, std = (images.new_tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
        return ((float(baseline == "white") - mean) / std).expand_as(images).clone()
    if baseline == "blur":
        sigma = images.shape[-2] / 8
        width = 2 * min(int(2 * sigma), (min(images.shape[-2:]) - 1)) + 1
        return gaussian_blur(images, [width, width], [sigma, sigma])
    raise ValueError(f"baseline is {baseline!r}, but 'mean', 'black', 'white' or 'blur' is wanted")


@dataclass(frozen=True)
class Completeness:
    """`total` (B,): what the map sums to. `wanted` (B,): the change of the score that it should be. `gap` (B,): total − wanted."""

    total: Tensor
    wanted: Tensor

    @property
    def gap(self) -> Tensor:
        return self.total - self.wanted

    @property
    def relative(self) -> float:
        """The largest |gap| as a share of |wanted|."""
        return float((self.gap.abs() / self.wanted.abs().clamp_min(1e-12)).max())


def completeness(scene: Scene, heat: Heatmap, away: Tensor) -> Completeness:
    """Of a map that should sum to score(pictures) − score(away); it must hold sums over the colours."""
    if not heat.signed:
        raise ValueError(f"{heat.by} gives magnitudes, but a sum is wanted: choose channels='sum'")
    with torch.no_grad():
        wanted = scene.score(scene.images) - scene.score(away)
    return Completeness(heat.values.flatten(1).sum(1), wanted.float())
