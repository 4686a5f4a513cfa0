"""Vision Transformers Don't Need Trained Registers. Jiang, Dravid, Efros, Gandelsman. NeurIPS 2025. arXiv 2506.08010.

Test-time registers: tokens that no training has seen take the activations of the neurons which make outliers out of patches.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .anatomy import Anatomy, anatomy
from .evaluating import evaluating
from .scene import Scene


@dataclass(frozen=True, order=True)
class Neuron:
    """Hidden unit `index` of the MLP of block `layer`, both from 0. `score`: whatever it was chosen by."""

    layer: int
    index: int
    score: float = 0.0


@contextmanager
def extra_registers(model: nn.Module, neurons: Iterable[Neuron] = (), *, count: int = 1) -> Iterator[nn.Module]:
    """While inside, `model` has `count` more registers: zero tokens behind its prefix, without a position.

    neurons: units of MLPs whose activations move: each register gets the activation of the largest magnitude that any token has,
    patches get 0; class tokens and trained registers keep theirs. Without neurons the tokens are only added.

    The model says so itself (`num_prefix_tokens`, and with it `anatomy(model).registers` and `Scene`), so whatever reads patches
    reads as many as before. Make a scene *and read its trace* inside. Other threads' scenes of the same model wait. Everything is
    undone at the end, also after an exception. TypeError for models whose tokens or MLPs cannot take part.
    """
    parts, moved = anatomy(model), _by_layer(model, neurons)
    _check(parts, count)
    with evaluating(model), ExitStack() as undo:
        blocks = [model.get_submodule(name) for name in parts.blocks]
        for module in (model, *(part for block in blocks for part in block.modules())):
            if isinstance(getattr(module, "num_prefix_tokens", None), int):  # rotary attention rotates what is behind
                undo.callback(setattr, module, "num_prefix_tokens", module.num_prefix_tokens)
                module.num_prefix_tokens = parts.prefix + count  # type: ignore[assignment]
        _insert(model, parts, count, undo)
        for layer, ids in moved.items():
            _move(_last_of_mlp(model, parts, layer), ids, parts, count, undo)
        yield model


@torch.no_grad()
def neuron_activations(scene: Scene) -> list[Tensor]:
    """For every block, (B, prefix + N, hidden): what the hidden units of its MLP say, as its last linear layer reads them."""
    model, found = scene.subject.vit, []
    with evaluating(scene.model), ExitStack() as hooks:
        for layer in range(len(scene.anatomy.blocks)):
            last = _last_of_mlp(model, scene.anatomy, layer)
            keep = _here(lambda _, args: found.append(args[0].detach()))
            hooks.callback(last.register_forward_pre_hook(keep).remove)
        scene.subject.run(scene.images)
    return found


# --- inside ---


def _here(hook: Any) -> Any:
    """Deaf to passes of other threads."""
    owner = threading.get_ident()
    return lambda *args: hook(*args) if threading.get_ident() == owner else None


def _check(parts: Anatomy, count: int) -> None:
    if count < 1:
        raise ValueError(f"count is {count}, but at least one register is to be added")
    # a bias that is a table has an entry for each pair of tokens it was made for; windows and stages have no place for one more
    if parts.reach != "global" or "relative" in parts.positions or len(parts.stages) > 1 or parts.prefix_from:
        raise TypeError(
            f"{parts.family} cannot be given a register: its tokens are in windows or stages, or its attention has a table for "
            f"just so many of them (positions: {parts.positions}). Take a ViT in which all patches see each other, such as DINOv2"
        )


def _insert(model: Any, parts: Anatomy, count: int, undo: ExitStack) -> None:
    def begins(_: nn.Module, args: tuple) -> None:
        model.num_prefix_tokens = parts.prefix  # positions are looked up for the tokens that were trained

    def inserts(_: nn.Module, args: tuple) -> tuple:
        model.num_prefix_tokens = parts.prefix + count
        x = args[0]  # (B, prefix + N, C)
        zeros = x.new_zeros(len(x), count, x.shape[-1])
        return torch.cat([x[:, : parts.prefix], zeros, x[:, parts.prefix :]], 1), *args[1:]

    embedding = model.patch_embed if hasattr(model, "patch_embed") else model.embeds
    first = model.get_submodule(parts.blocks[0])
    for module, hook in ((embedding, begins), (first, inserts)):
        undo.callback(module.register_forward_pre_hook(_here(hook)).remove)


def _move(last: nn.Module, ids: list[int], parts: Anatomy, count: int, undo: ExitStack) -> None:
    def moves(_: nn.Module, args: tuple) -> tuple:
        hidden = args[0].clone()  # (B, prefix + count + N, hidden)
        theirs = hidden[..., ids]
        largest = theirs.gather(1, theirs.abs().argmax(1, keepdim=True))  # (B, 1, neurons), with its sign
        theirs[:, parts.prefix : parts.prefix + count] = largest
        theirs[:, parts.prefix + count :] = 0
        hidden[..., ids] = theirs
        return hidden, *args[1:]

    undo.callback(last.register_forward_pre_hook(_here(moves)).remove)


def _last_of_mlp(model: nn.Module, parts: Anatomy, layer: int) -> nn.Linear:
    name = f"{parts.blocks[layer]}.mlp.fc2"
    try:
        last = model.get_submodule(name)
    except AttributeError:
        raise TypeError(f"{parts.family} has no {name}, the layer that reads an MLP's neurons: they cannot be moved") from None
    if not isinstance(last, nn.Linear):
        raise TypeError(f"{name} is a {type(last).__name__}, but a linear layer that reads an MLP's neurons is wanted")
    return last


def _by_layer(model: nn.Module, neurons: Iterable[Neuron]) -> dict[int, list[int]]:
    parts, found = anatomy(model), {}
    for neuron in neurons:
        if not 0 <= neuron.layer < len(parts.blocks):
            raise IndexError(f"{neuron} is in block {neuron.layer}, but this model has {len(parts.blocks)}, from 0")
        width = _last_of_mlp(model, parts, neuron.layer).in_features
        if not 0 <= neuron.index < width:
            raise IndexError(f"{neuron} is unit {neuron.index}, but the MLP of block {neuron.layer} has {width}, from 0")
        found.setdefault(neuron.layer, []).append(neuron.index)
    return {layer: sorted(set(ids)) for layer, ids in found.items()}
