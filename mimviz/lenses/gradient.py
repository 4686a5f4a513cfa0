"""Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps. Simonyan et al. ICLR Workshop 2014. arXiv 1312.6034.

The map of section 3, M = max over colours of |∂S/∂x|; the picture that a class likes best (section 2); and the map as seeds of a
segmentation (section 3.2), where smoothed odds stand in for the paper's GraphCut.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.mixture import GaussianMixture
from torch import Tensor

from ..core import Heatmap, Picture
from ..vit import Scene
from ._pixels import Channels, joined


@dataclass(frozen=True)
class Gradient:
    """(B, H, W): how much the target's score moves with each pixel.

    channels: "max" of the magnitudes over the colours (the paper's), their sum "abs", or the signed "sum".
    """

    channels: Channels = "max"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """∂ score / ∂ pictures, (B, 3, H, W)."""
        return scene.image_grad


def class_model(
    scene: Scene, *, steps: int = 200, lr: float = 0.05, decay: float = 0.01
) -> Iterator[tuple[float, Picture]]:
    """(score, picture) after each step: the picture x that a class likes best, argmax S(x) − decay · ‖x‖² (equation 1).

    It begins at the model's mean colour, whatever the scene's picture shows, and climbs with Adam; the score is the target's
    alone.
    """
    parts = scene.anatomy
    x = torch.zeros_like(scene.images[:1]).requires_grad_()
    climb = torch.optim.Adam([x], lr=lr)
    with torch.enable_grad():
        for _ in range(steps):
            score = scene.score(x.expand_as(scene.images))[0]
            (x.grad,) = torch.autograd.grad(decay * x.square().sum() - score, x)
            climb.step()
            yield float(score.detach()), Picture.from_tensor(x.detach(), mean=parts.mean, std=parts.std)


def segment(picture: Picture, heat: Heatmap, *, foreground: float = 0.95, background: float = 0.3) -> np.ndarray:
    """Boolean (H, W): the object that the map is about.

    Colours of pixels above the `foreground` quantile of the map are the object's, those below `background` are not: a mixture of
    Gaussians for either, and every pixel goes where its neighbourhood is likelier. heat: one map, on the picture's pixels.
    """
    values = heat.values[0].cpu().numpy()
    if values.shape != (picture.height, picture.width) or len(heat.values) != 1:
        raise ValueError(
            f"map is {tuple(heat.values.shape)}, but one of the picture's {picture.height} x {picture.width} pixels is wanted: "
            "heat[0] of a map on pixels"
        )
    low, high = np.quantile(values, [background, foreground])
    if not low < high:
        raise ValueError(f"map is flat between its quantiles {background} and {foreground}: it has no object to show")
    colours = picture.array.reshape(-1, 3).astype(np.float64)
    object_, rest = (_mixture(colours[region.ravel()]) for region in (values > high, values <= low))
    odds = (object_.score_samples(colours) - rest.score_samples(colours)).reshape(values.shape)
    return gaussian_filter(odds.clip(-2, 2), 1) > 0


def _mixture(colours: np.ndarray) -> GaussianMixture:
    kinds = len(np.unique((colours * 16).round(), axis=0))
    return GaussianMixture(min(5, kinds, len(colours)), reg_covar=1e-4, random_state=0).fit(colours)


def box(region: np.ndarray) -> tuple[int, int, int, int]:
    """top, left, bottom, right (the last two excluded) of a boolean (H, W)."""
    rows, cols = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        raise ValueError("the region is empty, so it has no box")
    return int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1
