"""What finders read of a pass: the numbers of each patch at one layer."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from ..core import Grid
from ..vit import Scene

Feature = Literal["keys", "queries", "values", "tokens"]


def features(scene: Scene, feature: Feature, layer: int) -> tuple[Tensor, Grid]:
    """(B, N, C) float32: every patch's key, query or value, heads side by side, or its token behind the block; and the grid."""
    if feature == "tokens":
        maps = scene.trace.maps(layer)  # (B, C, rows, cols); a stage may have fewer, larger cells than the grid
        rows, cols = maps.shape[2:]
        return maps.flatten(2).transpose(1, 2).float(), Grid(rows, cols, scene.grid.height // rows)
    if feature not in ("keys", "queries", "values"):
        raise ValueError(f"feature is {feature!r}, but 'keys', 'queries', 'values' or 'tokens' is wanted")
    layers = scene.trace.layers
    if not layers:
        raise ValueError(f"this {scene.anatomy.family} has no attention whose {feature} could be read: take feature='tokens'")
    if not -len(layers) <= layer < len(layers):
        raise IndexError(f"layer is {layer}, but there are {len(layers)}: 0..{len(layers) - 1}, or -1 for the last")
    mixing: Any = layers[layer].mixing
    name = {"keys": "k", "queries": "q", "values": "v"}[feature]
    found: Any = getattr(mixing, name, None)  # (B, heads, T, d)
    if found is None or found.shape[2] != scene.prefix + scene.grid.count:
        raise ValueError(
            f"layer {layer} has no {feature} for each of {scene.grid.count} patches and the {scene.prefix} tokens before them: "
            f"this {scene.anatomy.family} attends within windows or stages. Take feature='tokens'"
        )
    return found.transpose(1, 2).flatten(2)[:, scene.prefix :].float(), scene.grid
