"""Which token asks, which layer is meant, and where the patches lie: read off the scene, never assumed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..vit import Scene

Query = Literal["class", "patches", "registers"] | int
Fusion = Literal["mean", "max", "min"]


def layer_number(scene: Scene, layer: int) -> int:
    """0-based; negative ones count from the last. IndexError for a layer that the model has not."""
    count = len(scene.trace.layers)
    if not -count <= layer < count:
        raise IndexError(f"layer is {layer}, but this model has {count}: 0..{count - 1}, or -1 for the last")
    return layer % count


def query_ids(scene: Scene, query: Query) -> Tensor:
    """(R,): the tokens that ask. "class" is the class token, or every patch in a model without one; a number is a patch."""
    grid, prefix, parts = scene.grid, scene.prefix, scene.anatomy
    patches = torch.arange(prefix, prefix + grid.count, device=scene.images.device)
    if isinstance(query, int):
        if not 0 <= query < grid.count:
            raise ValueError(f"query is patch {query}, but the grid is {grid.rows} x {grid.cols}: 0..{grid.count - 1}")
        return patches[query : query + 1]
    if query == "registers":
        if not parts.registers:
            raise ValueError("query is 'registers', but this model has none: choose 'class', 'patches' or a patch's number")
        return torch.arange(prefix - parts.registers, prefix, device=patches.device)
    if query not in ("class", "patches"):
        raise ValueError(f"query is {query!r}, but 'class', 'patches', 'registers' or a patch's number is wanted")
    return patches[:1] - prefix if query == "class" and parts.class_tokens else patches


def reading(scene: Scene) -> Tensor:
    """(prefix + N,), sums to 1: how much of each last token the model's head reads, its class token or the mean of its patches."""
    token = scene.anatomy.pool == "token" and scene.anatomy.class_tokens > 0
    ids = query_ids(scene, "class" if token else "patches")
    weights = torch.zeros(scene.prefix + scene.grid.count, device=ids.device)
    return weights.index_fill_(0, ids, 1 / len(ids))


def on_grid(scene: Scene, values: Tensor) -> Tensor:
    """(B, prefix + N) → (B, rows, cols): the patches alone, where they lie, in float32."""
    return scene.patches(values).float()


def fused(maps: Tensor, fusion: Fusion) -> Tensor:
    """(B, heads, …) → (B, …), over the heads."""
    if fusion not in ("mean", "max", "min"):
        raise ValueError(f"fusion is {fusion!r}, but 'mean', 'max' or 'min' of the heads is wanted")
    return maps.mean(1) if fusion == "mean" else getattr(maps, f"a{fusion}")(1)


def of_head(maps: Tensor, head: int | None, fusion: Fusion) -> Tensor:
    """(B, heads, …) → (B, …): one head, or all of them fused."""
    if head is None:
        return fused(maps, fusion)
    count = maps.shape[1]
    if not -count <= head < count:
        raise IndexError(f"head is {head}, but this layer has {count}: 0..{count - 1}, or None for all")
    return maps[:, head]
