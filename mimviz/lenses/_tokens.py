"""Which token asks, which layer is meant, and where the patches lie: read off the scene, never assumed."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import Heatmap
from ..vit import Scene
from ..vit.guards import explain_flat
from ..vit.target import scorer

Query = Literal["class", "patches", "registers"] | int
Fusion = Literal["mean", "max", "min"]


def layer_number(scene: Scene, layer: int) -> int:
    """0-based; negative ones count from the last. IndexError for a layer that the model has not."""
    count = len(scene.trace.layers)
    if not count:
        scene.trace.attention[layer]  # says why there is none
    if not -count <= layer < count:
        raise IndexError(f"layer is {layer}, but this model has {count}: 0..{count - 1}, or -1 for the last")
    return layer % count


def block_number(scene: Scene, layer: int) -> int:
    """The same, of a block."""
    count = len(scene.trace.blocks)
    if not -count <= layer < count:
        raise IndexError(f"layer is {layer}, but this model has {count} blocks: 0..{count - 1}, or -1 for the last")
    return layer % count


def one_grid(scene: Scene, what: str) -> None:
    """TypeError, with what cannot be had, for models in which not every block has one attention over all tokens."""
    parts = scene.anatomy
    if len(parts.stages) > 1 or len(parts.attentions) != len(parts.blocks) or parts.prefix_from:
        raise TypeError(f"{parts.family} has not one attention over the same tokens in every block, so {what}")


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
    """(B, prefix + N), sums to 1: how much of each last token the head reads: its class token, the mean of its patches, or what its
    attention pooling looks at."""
    if scene.trace.pooling is not None:
        return scene.trace.pooling.mixing.weights().float().mean((1, 2))
    token = scene.anatomy.pool == "token" and scene.anatomy.class_tokens > 0
    ids = query_ids(scene, "class" if token else "patches")
    weights = torch.zeros(len(scene), scene.prefix + scene.grid.count, device=ids.device)
    return weights.index_fill_(1, ids, 1 / len(ids))


def relevant_reading(scene: Scene) -> Tensor:
    """(B, prefix + N): the same, of an attention pooling the part that raises the score, (∇A ⊙ A)⁺."""
    if scene.trace.pooling is None:
        return reading(scene)
    attention = scene.trace.pooling.mixing.weights()
    return (scene.trace.pooling_grad * attention).float().clamp_min(0).mean((1, 2))


def attention_of(scene: Scene, layer: int) -> Tensor:
    """(B, heads, prefix + N, prefix + N) of a layer that sees the whole grid; tokens that join later look at themselves."""
    return _joined(scene, seen(scene, scene.trace.attention[layer].float()), alone=1.0)


def fused_of(scene: Scene, layer: int, fusion: Fusion) -> Tensor:
    """(B, prefix + N, prefix + N): the same, heads joined."""
    trace = scene.trace
    return trace.kept((fusion, layer), lambda: fused(attention_of(scene, layer), fusion), of=len(trace.layers))


def relevance_of(scene: Scene, layer: int) -> Tensor:
    """(B, prefix + N, prefix + N): the mean over heads of (∇A ⊙ A)⁺, for the target's score (Chefer et al., equation 5)."""
    trace = scene.trace

    def raising() -> Tensor:
        return (trace.attention_grad[layer] * trace.attention[layer]).clamp_min_(0).float().mean(1)

    found = trace.kept(("relevance", layer), raising, of=len(trace.layers))
    return _joined(scene, seen(scene, found), alone=0.0)


def _joined(scene: Scene, maps: Tensor, *, alone: float) -> Tensor:
    """ConViT's first layers have no class token yet: it is given its place, and what it looks at."""
    prefix, N = scene.prefix, scene.grid.count
    if maps.shape[-2:] == (prefix + N, prefix + N):
        return maps
    if maps.shape[-2:] != (N, N):
        raise ValueError(
            f"this layer's map is {maps.shape[-2]} x {maps.shape[-1]}, but the picture has {N} patches and {prefix} tokens before "
            f"them: {scene.anatomy.family} looks through windows or merges tokens, so its layers cannot be joined; try Attention()"
        )
    joined = F.pad(maps, (prefix, 0, prefix, 0))
    joined[..., :prefix, :prefix] = alone * torch.eye(prefix, device=maps.device)
    return joined


def on_grid(scene: Scene, values: Tensor) -> Tensor:
    """(B, prefix + N) → (B, rows, cols): the patches alone, where they lie, in float32; 0 where a patch was hidden."""
    return seen(scene, scene.patches(values).float())


def heat(scene: Scene, values: Tensor, by: object, *, signed: bool = False, layer: int | None = None) -> Heatmap:
    """The heatmap of (B, prefix + N) values; a UserWarning says why where it says nothing. Differential attention has a sign."""
    found = on_grid(scene, values)
    if why := explain_flat(scene, found, layer):
        warnings.warn(f"{by}: {why}", stacklevel=3)
    return Heatmap(found, by=by, signed=signed or bool((found < 0).any()))


def seen(scene: Scene, values: Tensor) -> Tensor:
    """Numbers about tokens, with 0 instead of NaN where a patch was hidden from a masked model."""
    return values if scene.trace.hidden is None else values.nan_to_num(0.0)


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


def asked_classes(scene: Scene) -> Tensor:
    """(B,): the class that the scene asks about."""
    if callable(scene.target):
        raise TypeError("the target is a function of the output, but a class is wanted, which has a direction")
    classes = torch.arange(scene.logits.shape[-1], device=scene.images.device)
    return scorer(scene.model, scene.target, scene.logits)(classes.expand(len(scene), -1))
