"""How alike two maps are, and how alike two judges rank the methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata
from torch import Tensor

from ..core import Heatmap


def spearman(a: Heatmap | Tensor, b: Heatmap | Tensor) -> Tensor:
    """(B,): correlation of the ranks, equal values sharing theirs; NaN where one of the maps is flat."""
    x, y = (_ranks(each.values if isinstance(each, Heatmap) else each) for each in (a, b))
    x, y = (each - each.mean(1, keepdim=True) for each in (x, y))
    return ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).float()


def _ranks(values: Tensor) -> Tensor:
    """(B, …) → (B, N) in float64."""
    return torch.from_numpy(rankdata(values.detach().flatten(1).cpu().double().numpy(), axis=1))


def disagreement(a, b) -> float:
    """Kendall's distance of two rankings of the same methods, 0 (the same order) .. 1 (reversed); ties count half."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    there = np.isfinite(a) & np.isfinite(b)
    if there.sum() < 2:
        return float("nan")
    found: Any = kendalltau(a[there], b[there])
    return float((1 - found.statistic) / 2)
