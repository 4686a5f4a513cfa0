"""Linear: a pixel taken away becomes the mean of its neighbours, and some noise (Rong et al., ICML 2022, arXiv 2202.00449)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu
from torch import Tensor

from ...core import seeded
from ...vit import Scene
from .painting import Painting, repeated

NEIGHBOURS = {(i, j): 1 / 12 if i and j else 1 / 6 for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j}


@dataclass(frozen=True)
class Linear(Painting):
    """Noisy linear imputation (section 5): one linear equation for each hidden pixel, straight neighbours 1/6, diagonal 1/12.

    noise: spread of what is added on the model's own scale. Where everything is hidden there is nothing to go by: mean colour.
    """

    noise: float = 0.01
    seed: int = 0

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, 3, H, W)."""
        images, over = repeated(scene, hidden)
        generator = seeded(self.seed)
        drawn = [self._filled(each, where[0], generator) for each, where in zip(images, over, strict=True)]
        return torch.stack(drawn)

    def _filled(self, image: Tensor, over: Tensor, generator: torch.Generator) -> Tensor:
        at = over.flatten().nonzero()[:, 0].cpu()
        if not len(at):
            return image
        filled = image.flatten(1).clone()
        found = torch.from_numpy(_solved(image.cpu().numpy(), over.cpu().numpy())).to(filled)
        extra = self.noise * torch.randn(3, len(at), generator=generator).to(filled)
        filled[:, at.to(filled.device)] = found + extra
        return filled.reshape(image.shape)


def _solved(image: np.ndarray, over: np.ndarray) -> np.ndarray:
    """(3, P): each hidden pixel minus the weighted sum of its hidden neighbours is that of its visible ones."""
    H, W = over.shape
    if over.all():
        return np.zeros((len(image), H * W))
    y, x = np.nonzero(over)
    number = np.full(over.shape, -1)
    number[y, x] = np.arange(len(y))
    rows, cols, values = [np.arange(len(y))], [np.arange(len(y))], [np.ones(len(y))]
    right, total = np.zeros((len(image), len(y))), np.zeros(len(y))
    for (i, j), weight in NEIGHBOURS.items():
        inside = (y + i >= 0) & (y + i < H) & (x + j >= 0) & (x + j < W)
        me, (ny, nx) = np.nonzero(inside)[0], (y[inside] + i, x[inside] + j)
        total[me] += weight
        there = number[ny, nx]
        rows.append(me[there >= 0])
        cols.append(there[there >= 0])
        values.append(np.full((there >= 0).sum(), -weight))
        seen = there < 0
        right[:, me[seen]] += weight * image[:, ny[seen], nx[seen]]
    values[0] = total  # at the border of the picture the missing neighbours do not count
    triples = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
    return splu(csc_matrix(triples, shape=(len(y), len(y)))).solve(right.T).T
