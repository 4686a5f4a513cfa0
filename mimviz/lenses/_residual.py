"""The residual stream of a block, taken apart: what came in, what attention added, what the MLP added."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..vit import Scene
from ._tokens import one_grid


@torch.no_grad()
def halves(scene: Scene, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """(before, by attention, by MLP), each (B, N, C); their sum is what leaves the block.

    Raises TypeError where attention does not read norm1 of the stream, as then the parts would not be what their names say.
    """
    one_grid(scene, "its residual stream cannot be taken apart")
    trace, parts = scene.trace, scene.anatomy
    before = trace.tokens[layer - 1] if layer else trace.embedded
    block: Any = scene.subject.vit.get_submodule(parts.blocks[layer])
    x, output = trace.layers[layer].x, trace.layers[layer].output
    if before is None or x is None or output is None or not hasattr(block, "norm1") or before.shape != x.shape:
        raise TypeError(f"{type(block).__name__} of {parts.family} is no block whose stream mimviz can take apart")
    if not torch.allclose(block.norm1(before), x, rtol=1e-3, atol=1e-4):
        raise TypeError(
            f"attention in {type(block).__name__} does not read norm1 of the residual stream (a norm after it, or parallel "
            "branches), so what it adds cannot be told from what the MLP adds"
        )
    added = scaled(block, output)
    return before, added, trace.tokens[layer] - before - added


def scaled(block: Any, added: Tensor) -> Tensor:
    """What a block adds to the stream for its attention's output: with its layer scale, if it has one."""
    gamma = getattr(block, "gamma_1", None)
    if gamma is not None:
        return added * gamma
    scale = getattr(block, "ls1", None)
    return scale(added) if isinstance(scale, nn.Module) else added


@torch.no_grad()
def written(scene: Scene, layer: int) -> Tensor:
    """(B, heads, N, C): what head h adds to the stream of a token that attends to token i alone, without the bias."""
    entry, module = scene.trace.layers[layer], scene.trace.layers[layer].module
    norm, project = getattr(module, "norm", None), getattr(module, "proj", None)
    if not isinstance(project, nn.Linear) or (isinstance(norm, nn.Module) and not isinstance(norm, nn.Identity)):
        raise TypeError(f"{type(module).__name__} does not end in one linear projection, so heads cannot be told apart")
    values = entry.mixing.v  # (B, heads, N, d)
    weights = project.weight.T.reshape(values.shape[1], values.shape[-1], -1)  # (heads, d, C)
    block: Any = scene.subject.vit.get_submodule(scene.anatomy.blocks[layer])
    return scaled(block, torch.einsum("bhnd,hdc->bhnc", values, weights))


def projected(scene: Scene, layer: int) -> Tensor:
    """(B, N, C): every token's own value, through the projection, without the bias: what it would give at full attention."""
    return written(scene, layer).sum(1)


def bias_written(scene: Scene, layer: int) -> Tensor:
    """(C,): what the projection's bias adds to the stream."""
    project: Any = scene.trace.layers[layer].module.proj
    block: Any = scene.subject.vit.get_submodule(scene.anatomy.blocks[layer])
    bias = project.bias if project.bias is not None else project.weight.new_zeros(project.out_features)
    return scaled(block, bias.detach())


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """(…, C) twice → (…,)."""
    return F.cosine_similarity(a.float(), b.float(), dim=-1)
