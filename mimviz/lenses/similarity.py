"""Teaching Matters: Investigating the Role of Supervision in Vision Transformers. Walmer, Suri, Gupta, Shrivastava. CVPR 2023. arXiv 2212.03862.

How alike layers are (linear centred kernel alignment, Kornblith et al., ICML 2019, section 3) and how well k-means of their features
recovers classes. Seen in mwalmer-umd/vit_analysis: k-means of scikit-learn, NMI with the arithmetic mean, purity.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from ..vit import Scene
from ._tokens import one_grid, query_ids


@dataclass(frozen=True)
class LayerSimilarity:
    """(layers, layers): linear CKA, 0 … 1, between what the layers of one model make of the same pictures, or of two models.

    tokens: "patches" takes every patch of every picture as an example, "class" the class token of each (many pictures are needed).
    """

    tokens: Literal["patches", "class"] = "patches"

    def __call__(self, scene: Scene, other: Scene | None = None) -> Tensor:
        mine = self._features(scene)
        theirs = mine if other is None else self._features(other)
        if len(mine[0]) != len(theirs[0]):
            raise ValueError(
                f"the scenes have {len(mine[0])} and {len(theirs[0])} {self.tokens} in all, but the same pictures on the same "
                "grid are wanted, or tokens='class'"
            )
        return torch.stack([torch.stack([linear_cka(a, b) for b in theirs]) for a in mine])

    def _features(self, scene: Scene) -> list[Tensor]:
        one_grid(scene, "its layers have not the same patches to be compared on")
        ids = query_ids(scene, self.tokens)
        tokens = [layer[:, ids].float() for layer in scene.trace.tokens]
        if self.tokens == "class":
            return [layer.mean(1) for layer in tokens]
        return [layer.flatten(0, 1) for layer in tokens]


def linear_cka(x: Tensor, y: Tensor) -> Tensor:
    """‖Yᵀ X‖² / (‖Xᵀ X‖ · ‖Yᵀ Y‖) of centred features (n, p), (n, q): 1 for a rotation and a scale, 0 where nothing is shared."""
    x, y = x - x.mean(0), y - y.mean(0)
    if len(x) < x.shape[1] + y.shape[1]:  # the same number from Gram matrices (n, n)
        x, y = x @ x.T, y @ y.T
        shared, scale = (x * y).sum(), x.norm() * y.norm()
    else:
        shared, scale = (y.T @ x).square().sum(), (x.T @ x).norm() * (y.T @ y).norm()
    return shared / scale.clamp_min(torch.finfo(x.dtype).tiny)


@dataclass(frozen=True)
class Clusters:
    """`purity`: share of pictures whose class is the most common in their cluster. `nmi` of clusters and classes. Both 0 … 1."""

    purity: float
    nmi: float


def clusters(features: Tensor, labels: Tensor, *, count: int | None = None, seed: int = 0) -> Clusters:
    """How well k-means of `features` (n, C) recovers `labels` (n,); as many clusters as classes unless told."""
    labels = np.unique(labels.cpu().numpy(), return_inverse=True)[1]  # type: ignore[assignment]
    if len(features) != len(labels):
        raise ValueError(f"there are {len(features)} features, but {len(labels)} labels: one for each")
    count = count or int(labels.max()) + 1
    found = KMeans(count, random_state=seed).fit_predict(features.float().cpu().numpy())
    table = np.zeros((count, int(labels.max()) + 1), dtype=int)
    np.add.at(table, (found, labels), 1)
    return Clusters(float(table.max(1).sum() / len(labels)), float(normalized_mutual_info_score(labels, found)))
