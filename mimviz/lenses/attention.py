"""Emerging Properties in Self-Supervised Vision Transformers. Caron, Touvron, Misra, Jégou et al. ICCV 2021. arXiv 2104.14294.

Raw attention: where one token looks, in one layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core import Heatmap
from ..vit import Scene
from ._tokens import Fusion, Query, heat, layer_number, of_head, query_ids


@dataclass(frozen=True)
class Attention:
    """(B, rows, cols): share of its attention that the query gives to each patch, 0..1; what goes to other tokens is left out.

    layer: 0 is the first, -1 the last. head: a number, or None for all heads, joined by `fusion`. query: "class" (every patch on
    average where a model has no class token), "patches", "registers", or the number of a patch, row by row.
    """

    layer: int = -1
    head: int | None = None
    query: Query = "class"
    fusion: Fusion = "mean"

    def __call__(self, scene: Scene) -> Heatmap:
        rows = scene.trace.rows(layer_number(scene, self.layer), query_ids(scene, self.query))  # (B, heads, R, N)
        shares = of_head(rows.nanmean(2), self.head, self.fusion)  # (B, N)
        return heat(scene, shares, self)
