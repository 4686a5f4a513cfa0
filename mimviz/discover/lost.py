"""Localizing Objects with Self-Supervised Transformers and no Labels. Siméoni, Puy, Vo and others. BMVC 2021. arXiv 2109.14279.

Patches of an object resemble few others, those of the background many (section 3.2): the patch with the fewest similar ones is the
seed, the similar ones among the next `k` join it, and what is alike to their sum and hangs together with the seed is the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Grid
from ..vit import Scene
from ._features import Feature, features
from ._segment import Segment, around


@dataclass(frozen=True)
class LOST:
    """An object in each picture, from the keys of the last layer as they are, not normalized.

    k: how many of the least connected patches may join the seed. feature, layer: what is compared. normalize: compare directions
    only. bias: added to every similarity; DINOv2 with or without registers needs one to be cut at all, as Darcet et al. found.
    """

    k: int = 100
    feature: Feature = "keys"
    layer: int = -1
    normalize: bool = False
    bias: float = 0.0

    def __call__(self, scene: Scene) -> list[Segment]:
        found, grid = features(scene, self.feature, self.layer)
        return [self.find(each, grid) for each in found]

    def find(self, patches: Tensor, grid: Grid) -> Segment:
        """patches (N, C), row by row. Raises ValueError where the bias leaves the seed unlike itself."""
        if self.k < 1:
            raise ValueError(f"k is {self.k}, but at least 1 patch must be able to join the seed")
        if self.normalize:
            patches = torch.nn.functional.normalize(patches, dim=-1)
        alike = patches @ patches.T + self.bias  # (N, N)
        others = alike > 0
        others.fill_diagonal_(False)
        order = others.sum(1).argsort(stable=True)  # equals in the order of the picture
        seed, near = order[0], order[: self.k]
        joined = near[alike[seed, near] > 0]
        total = alike[joined].sum(0)  # (N,)
        if total[seed] <= 0:
            raise ValueError(f"with a bias of {self.bias} the seed, patch {int(seed)}, is not even like itself: raise it")
        map = total.reshape(grid.shape).cpu().numpy()
        return around(int(seed), map > 0, grid, map=map, by=self)
