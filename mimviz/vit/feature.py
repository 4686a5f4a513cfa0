"""What one block made of the pictures, the score's gradient by it, and the pass from there on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .evaluating import evaluating
from .layout import Layout, block_layout
from .rules import replaced
from .scene import Scene
from .target import scorer


@dataclass(frozen=True, eq=False)
class Feature:
    """`output` of block `layer` in its own layout; `map` (B, C, rows, cols): the patches alone, as a picture; `grad` (the same):
    ∂ score / ∂ map; `score` (B,)."""

    layer: int
    output: Tensor
    layout: Layout
    map: Tensor
    grad: Tensor
    score: Tensor


def default_layer(scene: Scene) -> int:
    """The last block whose patches still reach the score: the last but one where the head reads the class token alone."""
    parts = scene.anatomy
    alone = parts.class_tokens > 0 and parts.pool == "token"
    return max(len(parts.blocks) - 1 - alone, 0)


def layer_of(scene: Scene, layer: int | None) -> int:
    """0-based; None is `default_layer`. IndexError for a block that the model has not."""
    if layer is None:
        return default_layer(scene)
    count = len(scene.anatomy.blocks)
    if not -count <= layer < count:
        raise IndexError(f"layer is {layer}, but this model has {count} blocks: 0..{count - 1}, or -1 for the last")
    return layer % count


def feature(scene: Scene, layer: int | None = None) -> Feature:
    """One pass; backward only as far as the block."""
    index = layer_of(scene, layer)
    block, here, kept = scene.model.get_submodule(scene.anatomy.blocks[index]), threading.get_ident(), []

    def cut(_: Any, __: Any, output: Tensor) -> Tensor | None:
        if threading.get_ident() != here:
            return None
        kept.append(output.detach().requires_grad_())
        torch.set_grad_enabled(True)  # until the `no_grad` around the pass ends
        return kept[-1]

    with torch.inference_mode(False), torch.no_grad(), evaluating(scene.model):
        handle = block.register_forward_hook(cut)
        try:
            logits = scene.model(scene.images)
            score = _asked(scene, logits)(logits)
            output = kept[-1]
            (grad,) = torch.autograd.grad(score.sum(), output, allow_unused=True)
        finally:
            handle.remove()
    output = output.detach()
    layout = block_layout(scene.model, index, output, scene.anatomy)
    grad = torch.zeros_like(output) if grad is None else grad
    maps = [layout.map(layout.tokens(each)) for each in (output, grad)]
    return Feature(index, output, layout, maps[0], maps[1], score.detach())


def choose(scene: Scene) -> None:
    """Fixes what a scene with named classes asks for, without the pass that an unnamed one needs."""
    if "_scorer" not in vars(scene) and scene.target is not None and not callable(scene.target):
        scene.__dict__["_scorer"] = scorer(
            scene.model, scene.target, scene.images
        )  # of the logits, only their number is read


def _asked(scene: Scene, logits: Tensor) -> Callable[[Any], Tensor]:
    """The scene's score, chosen by these logits where it is not chosen yet: a pass less."""
    if "_scorer" not in vars(scene):
        known = callable(scene.target) or not isinstance(logits, Tensor) or logits.ndim != 2
        scene.__dict__["_scorer"] = scene._scorer if known else scorer(scene.model, scene.target, logits.detach())
    return scene._scorer


@torch.no_grad()
def resumed(scene: Scene, layer: int, outputs: Tensor) -> Tensor:
    """outputs (K · B, …) in the layout of block `layer`, as if it had made them → the scene's score of each (K · B,).

    The blocks before it are left out; only the embedding in front of them still runs.
    """
    names = scene.anatomy.blocks
    skipped = {scene.model.get_submodule(name) for name in names[:layer]}
    block = scene.model.get_submodule(names[layer])

    def own(module: Any) -> Callable[..., Any] | None:
        if module is block:
            return lambda *_, **__: outputs
        return (lambda x, *_, **__: x) if module in skipped else None

    ask = scene._scorer
    with replaced(scene.model, own):
        return ask(scene.model(scene.images.repeat(len(outputs) // len(scene), 1, 1, 1)))
