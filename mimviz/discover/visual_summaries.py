"""Understanding Deep Architectures by Visual Summaries. Carletti et al. BMVC 2018. arXiv 1801.09103.

What a class is decided by over many pictures: the crisp regions whose removal kills its probability (`lenses.CrispMask`), grouped
into summaries, each a part that returns from picture to picture. How alike two regions are is the mean cosine of cells that are
each other's nearest, which stands for the paper's proposal flow; groups are affinity propagation's, which chooses their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.ndimage import label
from sklearn.cluster import AffinityPropagation
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from ..lenses import CrispMask
from ..vit import Scene
from ._features import Feature, features


@dataclass(frozen=True, eq=False)
class Region:
    """`cells` (rows, cols) boolean of picture number `picture`. `fall`: the share of the probability that goes with it, alone or
    after all other regions, whichever is more: parts that stand for each other matter only together."""

    picture: int
    cells: np.ndarray
    fall: float


@dataclass(frozen=True)
class VisualSummaries:
    """Lists of regions, the largest first: one for each summary. Wants several pictures of a class and the class as the target.

    mask: how regions are found. least: the fall of the probability, as a share, below which a region does not count. layer,
    feature: of the numbers by which regions are compared.
    """

    mask: CrispMask = field(default_factory=CrispMask)
    least: float = 0.05
    layer: int = -1
    feature: Feature = "tokens"

    def __call__(self, scene: Scene) -> list[list[Region]]:
        gone = self.mask(scene).values
        regions = self.regions(scene, gone)
        if len(regions) < 2:
            return [regions] if regions else []
        alike = self.alike(scene, regions, (gone.shape[1], gone.shape[2]))
        labels = AffinityPropagation(affinity="precomputed", random_state=0).fit(alike).labels_
        groups = [[each for each, own in zip(regions, labels, strict=True) if own == k] for k in np.unique(labels)]
        return sorted(groups, key=len, reverse=True)

    def regions(self, scene: Scene, gone: Tensor) -> list[Region]:
        """Connected cells of gone (B, rows, cols) above 0.5, with which the probability falls by `least`."""
        found = []

        def lost(cells: Tensor) -> Tensor:
            return self.mask.falls(scene, cells)[picture]

        for picture, mask in enumerate(gone.cpu().numpy() > 0.5):
            parts, count = label(mask)  # type: ignore[misc]
            for number in range(1, count + 1):
                cells = parts == number
                alone = torch.zeros_like(gone)
                alone[picture] = torch.from_numpy(cells).to(gone)
                others = ((gone > 0.5) & (alone == 0)).to(gone)
                fall = max(float(lost(alone)), float(lost(others + alone) - lost(others)), key=abs)
                if fall >= self.least:
                    found.append(Region(picture, cells, fall))
        return found

    def alike(self, scene: Scene, regions: list[Region], shape: tuple[int, int]) -> np.ndarray:
        """(R, R): mean cosine over the cells of two regions that are each other's nearest."""
        values, grid = features(scene, self.feature, self.layer)
        maps = values.transpose(1, 2).unflatten(2, grid.shape)
        units = normalize(interpolate(maps, size=shape, mode="nearest"), dim=1).movedim(1, -1).cpu().numpy()
        cells = [units[each.picture][each.cells] for each in regions]  # (n, C) each
        return np.array([[_mutual(a @ b.T) for b in cells] for a in cells])


def _mutual(cosine: np.ndarray) -> float:
    """(n, m) → the mean over pairs that are the largest of their row and of their column."""
    best = cosine.argmax(1)
    pairs = [(i, j) for i, j in enumerate(best) if cosine[:, j].argmax() == i]
    return float(np.mean([cosine[i, j] for i, j in pairs]))
