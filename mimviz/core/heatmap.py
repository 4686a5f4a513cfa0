"""A map of raw numbers over a picture: what lenses, losses and the brush produce, and what judges, views and masking read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Raw floats (B, H, W), on patches or on pixels, never clipped or rescaled. `by` names the method and its parameters."""

    values: Tensor
    by: object
    signed: bool = False

    def __post_init__(self):
        if self.values.ndim != 3:
            raise ValueError(
                f"heatmap has shape {tuple(self.values.shape)}, but (B, rows, cols) or (B, height, width) is wanted"
            )
        bad = int((~torch.isfinite(self.values)).sum())
        if bad:
            raise ValueError(
                f"heatmap by {self.by} holds {bad} values that are NaN or infinite, of {self.values.numel()}: "
                "the model or the method overflowed (half precision, or weights that never loaded, are the usual causes)"
            )

    @property
    def min(self) -> float:
        return float(self.values.min())

    @property
    def max(self) -> float:
        return float(self.values.max())

    def __getitem__(self, index: int) -> Heatmap:
        return Heatmap(self.values[index][None], self.by, self.signed)

    def __repr__(self) -> str:
        return f"Heatmap({tuple(self.values.shape)}, {self.min:.4g}..{self.max:.4g}, by {self.by})"

    def describe(self) -> str:
        """The map in words whose every number can be recomputed, see `mimviz.core.describe`."""
        from .describe import describe

        return describe(self).text

    def plot(self, picture=None, *, scene=None):
        """A matplotlib figure with the real range on its colour bar; with the scene of the map, `mimviz rerun` makes it again."""
        from ..plot import show_heatmap

        return show_heatmap(self, picture, scene=scene)
