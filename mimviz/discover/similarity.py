"""Deep ViT Features as Dense Visual Descriptors. Amir, Gandelsman, Bagon, Dekel. ECCV Workshops 2022. arXiv 2112.05814.

Cosine of one patch to all others; and of every patch to its neighbours, by which Darcet et al. (arXiv 2309.16588, section 2.1) see
that outliers sit where a picture repeats itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from ..core import Grid, Heatmap
from ..vit import Scene
from ._features import Feature, features


@dataclass(frozen=True)
class Similarity:
    """(B, rows, cols), −1..1: cosine of every patch to patch number `patch` (row by row) at `layer`."""

    patch: int = 0
    layer: int = -1
    feature: Feature = "tokens"

    def __call__(self, scene: Scene) -> Heatmap:
        found, grid = features(scene, self.feature, self.layer)
        unit = normalize(found, dim=-1)  # (B, N, C)
        if not 0 <= self.patch < unit.shape[1]:
            raise IndexError(f"patch is {self.patch}, but there are {unit.shape[1]}, numbered from 0 row by row")
        cosine = (unit @ unit[:, self.patch, :, None])[..., 0]
        return Heatmap(cosine.unflatten(1, grid.shape), by=self, signed=True)


@dataclass(frozen=True)
class NeighbourSimilarity:
    """(B, rows, cols), −1..1: mean cosine of every patch to the two to four beside it; layer None is the patch embedding."""

    layer: int | None = None

    def __call__(self, scene: Scene) -> Heatmap:
        tokens, grid = _embedded(scene) if self.layer is None else features(scene, "tokens", self.layer)
        unit = normalize(tokens, dim=-1).transpose(1, 2)
        return Heatmap(beside(unit.unflatten(2, grid.shape)), by=self, signed=True)


def beside(unit: Tensor) -> Tensor:
    """(B, C, rows, cols) of length 1 each → (B, rows, cols): mean product with the patches above, below, left and right."""
    pairs = (unit[..., 1:] * unit[..., :-1]).sum(1), (unit[:, :, 1:] * unit[:, :, :-1]).sum(1)
    sides = ((0, 1, 0, 0), (1, 0, 0, 0)), ((0, 0, 0, 1), (0, 0, 1, 0))  # each pair counts for both of its patches
    total, count = unit.new_zeros(unit.shape[2:]), unit.new_zeros(unit.shape[2:])
    for cosine, both in zip(pairs, sides, strict=True):
        for side in both:
            total, count = total + pad(cosine, side), count + pad(torch.ones_like(cosine), side)
    return total / count.clamp_min(1)


def _embedded(scene: Scene) -> tuple[Tensor, Grid]:
    """(B, N, C): what the patch embedding says of every patch, before its position."""
    embedding = getattr(scene.subject.vit, "patch_embed", None)
    if embedding is None:
        raise TypeError(f"{scene.anatomy.family} has no patch_embed to compare patches at: give a layer")
    with torch.no_grad():
        x = embedding(scene.images)
    if x.ndim == 4:  # channels last where the grid may change
        x = x.flatten(1, 2) if x.shape[1:3] == scene.grid.shape else x.flatten(2).transpose(1, 2)
    return x.float(), scene.grid
