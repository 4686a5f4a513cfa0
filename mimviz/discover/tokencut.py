"""Self-Supervised Transformers for Unsupervised Object Discovery using Normalized Cut. Wang et al. CVPR 2022. arXiv 2202.11539.

The second smallest solution of (D − E) y = λ D y cuts the graph of patches in two, at its mean (section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from ..core import Grid
from ..vit import Scene
from ._features import Feature, features
from ._segment import Segment, around


@dataclass(frozen=True)
class TokenCut:
    """An object in each picture, from the directions of the keys of the last layer.

    tau: a pair of patches with a cosine above it is an edge of weight 1, others of weight `eps`. The half with the patch of the
    largest magnitude in y is the object; `Segment.map` is y, signed so that this patch is positive.
    """

    tau: float = 0.0
    eps: float = 1e-5
    feature: Feature = "keys"
    layer: int = -1

    def __call__(self, scene: Scene) -> list[Segment]:
        found, grid = features(scene, self.feature, self.layer)
        return [self.find(each, grid) for each in found]

    def find(self, patches: Tensor, grid: Grid) -> Segment:
        """patches (N, C), row by row."""
        if self.eps <= 0:
            raise ValueError(f"eps is {self.eps}, but it must be above 0, or the graph may fall apart and has no cut")
        unit = torch.nn.functional.normalize(patches.double(), dim=-1)
        edges = np.where((unit @ unit.T).cpu().numpy() > self.tau, 1.0, self.eps)  # (N, N)
        degrees = np.diag(edges.sum(1))
        _, vectors = eigh(degrees - edges, degrees, subset_by_index=[1, 1])
        y = vectors[:, 0]
        seed = int(np.abs(y).argmax())
        y = y * np.sign(y[seed])
        inside = (y > y.mean()).reshape(grid.shape)
        return around(seed, inside, grid, map=y.reshape(grid.shape), by=self)
