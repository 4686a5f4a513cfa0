"""DINOv2: Learning Robust Visual Features without Supervision. Oquab, Darcet, Moutakanni and others. TMLR 2024. arXiv 2304.07193.

Figure 1: components of the patch tokens of several pictures together; the first one parts foreground from
background, the next three, fitted on the foreground alone, become colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..vit import Scene
from ._features import Feature, features


@dataclass(frozen=True, eq=False)
class Components:
    """What a PCA found: `values` (B, rows, cols, k), raw; NaN where a patch is background.

    axes (k, C) of length 1 and mean (C,): values = (tokens − mean) · axesᵀ. explained (k,): shares of the variance. foreground
    (B, rows, cols): which patches took part; all unless told to part them.
    """

    values: Tensor
    axes: Tensor
    mean: Tensor
    explained: Tensor
    foreground: Tensor
    by: object

    @property
    def colours(self) -> Tensor:
        """(B, rows, cols, 3): the first three components as R, G, B in 0..1; each has one range over all pictures."""
        seen = self.values[self.foreground][:, :3]
        low, high = seen.amin(0), seen.amax(0)
        scaled = (self.values[..., :3] - low) / (high - low).clamp_min(1e-12)
        return scaled.masked_fill(~self.foreground[..., None], 0.0)


@dataclass(frozen=True)
class PCA:
    """The first `count` components of the tokens of all pictures of a scene, fitted jointly.

    The sign of an axis is fixed by itself: Σ axis³ > 0, its few large loadings point up. Without this every run or picture may be
    mirrored. foreground: "all", or "first": split at 0 of a first component, keep the side that holds less of the pictures' rim
    (the paper keeps the positive side, whichever it is), and fit again on it.
    """

    count: int = 3
    layer: int = -1
    feature: Feature = "tokens"
    foreground: Literal["all", "first"] = "all"

    def __call__(self, scene: Scene) -> Components:
        tokens, grid = features(scene, self.feature, self.layer)
        B, N, C = tokens.shape
        inside = torch.ones(B, N, dtype=torch.bool, device=tokens.device)
        if self.foreground == "first":
            inside = self._front(tokens, grid.shape)
        elif self.foreground != "all":
            raise ValueError(f"foreground is {self.foreground!r}, but 'all' or 'first' is wanted")
        chosen = tokens[inside]
        if not 1 <= self.count <= min(len(chosen) - 1, C):
            raise ValueError(f"count is {self.count}, but {len(chosen)} patches of {C} channels have 1..{min(len(chosen) - 1, C)}")
        axes, mean, explained = principal(chosen, self.count)
        values = ((tokens - mean) @ axes.T).masked_fill(~inside[..., None], float("nan"))
        return Components(
            values.unflatten(1, grid.shape), axes, mean, explained, inside.unflatten(1, grid.shape), by=self
        )

    @staticmethod
    def _front(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
        """(B, N) boolean: the side of the first component that touches the rim less."""
        axes, mean, _ = principal(tokens.flatten(0, 1), 1)
        up = ((tokens - mean) @ axes[0]) > 0
        rim = torch.ones(shape, dtype=torch.bool, device=tokens.device)
        rim[1:-1, 1:-1] = False
        touched = up[:, rim.flatten()].float().mean() / up.float().mean().clamp_min(1e-12)
        other = (~up)[:, rim.flatten()].float().mean() / (~up).float().mean().clamp_min(1e-12)
        return up if touched <= other else ~up


def principal(x: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """x (n, C) → axes (count, C) with Σ axis³ ≥ 0, mean (C,), explained (count,) as shares of the variance."""
    mean = x.mean(0)
    centred = (x - mean).double()
    _, sizes, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:count]
    sign = torch.where((axes**3).sum(1) < 0, -1.0, 1.0)
    explained = sizes[:count] ** 2 / (sizes**2).sum().clamp_min(1e-30)
    return (axes * sign[:, None]).to(x), mean, explained.float()
