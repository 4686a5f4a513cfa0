"""The residual stream of a block, taken apart: what came in, what attention added, what the MLP added."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..vit import Scene
from ._tokens import one_grid


@torch.no_grad()
def halves(scene: Scene, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """(before, by attention, by MLP), each (B, N, C); their sum is what leaves the block.

    Raises TypeError where attention does not read norm1 of the stream, as then the parts would not be what their names say.
    """
    before, block = entering(scene, layer)
    output = scene.trace.layers[layer].output
    assert output is not None
    added = scaled(block, output)
    return before, added, scene.trace.tokens[layer] - before - added


@torch.no_grad()
def entering(scene: Scene, layer: int) -> tuple[Tensor, Any]:
    """(what came in, (B, N, C), the block); the same TypeError."""
    one_grid(scene, "its residual stream cannot be taken apart")
    trace, parts = scene.trace, scene.anatomy
    before = trace.tokens[layer - 1] if layer else trace.embedded
    block: Any = scene.subject.vit.get_submodule(parts.blocks[layer])
    x = trace.layers[layer].x
    if before is None or x is None or not hasattr(block, "norm1") or before.shape != x.shape:
        raise TypeError(f"{type(block).__name__} of {parts.family} is no block whose stream mimviz can take apart")
    some = slice(None, None, max(1, x.shape[1] // 8))  # what holds for a few tokens holds for all
    if not alike(block.norm1(before[:, some]), x[:, some]):
        raise TypeError(
            f"attention in {type(block).__name__} does not read norm1 of the residual stream (a norm after it, or parallel "
            "branches), so what it adds cannot be told from what the MLP adds"
        )
    return before, block


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether they differ by rounding only; NaN is never alike."""
    return float((a - b).abs().max()) <= 1e-3 * float(b.abs().max()) + 1e-4


def scaled(block: Any, added: Tensor) -> Tensor:
    """What a block adds to the stream for its attention's output: with its layer scale, if it has one."""
    gamma = getattr(block, "gamma_1", None)
    if gamma is not None:
        return added * gamma
    scale = getattr(block, "ls1", None)
    return scale(added) if isinstance(scale, nn.Module) else added


@torch.no_grad()
def writing(scene: Scene, layer: int) -> tuple[Tensor, Tensor]:
    """((heads, d, C), (C,)): what one unit of each channel of each head's A · V adds to the stream, and what the bias adds."""
    module = scene.trace.layers[layer].module
    norm, project, gate = (getattr(module, name, None) for name in ("norm", "proj", "gate"))
    normed = isinstance(norm, nn.Module) and not isinstance(norm, nn.Identity)
    if not isinstance(project, nn.Linear) or normed or isinstance(gate, nn.Module):
        raise TypeError(f"{type(module).__name__} does not end in one linear projection, so heads cannot be told apart")
    block: Any = scene.subject.vit.get_submodule(scene.anatomy.blocks[layer])
    bias = project.bias if project.bias is not None else project.weight.new_zeros(project.out_features)
    heads = scene.trace.layers[layer].mixing.v.shape[1]
    return scaled(block, project.weight.T).unflatten(0, (heads, -1)), scaled(block, bias)


@torch.no_grad()
def projected(scene: Scene, layer: int) -> Tensor:
    """(B, N, C): every token's own value, through the projection, without the bias: what it would give at full attention."""
    values = scene.trace.layers[layer].mixing.v.transpose(1, 2).flatten(2)  # (B, N, heads · d)
    return values @ writing(scene, layer)[0].flatten(0, 1)
