"""What the class activation maps share: a weighted sum of a block's channels, cut at 0, and a word where nothing is left."""

from __future__ import annotations

import warnings

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.guards import explain_flat


def weighted(weights: Tensor, maps: Tensor) -> Tensor:
    """weights (B, C) or (B, C, rows, cols), maps (B, C, rows, cols) → (B, rows, cols), signed."""
    while weights.ndim < maps.ndim:
        weights = weights[..., None]
    return (weights * maps).sum(1)


def positive(scene: Scene, values: Tensor, by: object, layer: int, *, relu: bool = True) -> Heatmap:
    """The map, its negative part cut where `relu`; a UserWarning says why where a whole map is flat, NaN or 0."""
    cut = values.clamp_min(0) if relu else values
    if why := explain_flat(scene, cut, layer):
        warnings.warn(f"{by}: {why}", stacklevel=3)
    return Heatmap(cut.detach().float(), by=by, signed=not relu)
