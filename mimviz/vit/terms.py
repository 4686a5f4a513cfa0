"""A score taken apart, exactly: what the pixels give times their gradient, and what every layer adds of its own.

For a layer z = f(x) with the score's gradients g_z and g_x, the layer's own term is ⟨g_z, z⟩ − ⟨g_x, x⟩ (Srinivas and Fleuret,
NeurIPS 2019: the implicit bias of section 3.1). It is bias ⊙ g_z for linear layers and folded batch norms, 0 for ReLU and
pooling; along a net these terms telescope, so that score = ⟨g, pixels⟩ + Σ terms, whatever the layers are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .evaluating import evaluating
from .layout import token_layout
from .rules import activation, out_of_place
from .scene import Scene


@dataclass(frozen=True, eq=False)
class Term:
    """`values` (B, C, rows, cols): what a layer adds at each place; None without a place (the head). `total` (B,): all of it."""

    name: str
    values: Tensor | None
    total: Tensor


@dataclass(eq=False)
class _Seen:
    name: str
    module: nn.Module
    before: Tensor | None
    after: Tensor | None = None


def terms(scene: Scene) -> tuple[Tensor, list[Term], Tensor]:
    """(pixels · gradient (B, 3, H, W), the terms of all layers, the score (B,)): the score is the sum of all, up to rounding."""
    scene.score(scene.images)  # the target is chosen before anything is watched
    with torch.enable_grad(), evaluating(scene.model), out_of_place(scene.model), _watching(scene) as seen:
        images = scene.images.detach().requires_grad_()
        score = scene.score(images)
        wanted = [images, *(t for each in seen for t in (each.before, each.after) if t is not None)]
        grads = torch.autograd.grad(score.sum(), wanted, allow_unused=True)
    of = {id(t): torch.zeros_like(t) if g is None else g for t, g in zip(wanted, grads, strict=True)}
    found = [_term(scene, each, of) for each in seen if each.after is not None]
    return (images * of[id(images)]).detach(), found, score.detach()


def _term(scene: Scene, seen: _Seen, of: dict[int, Tensor]) -> Term:
    assert seen.after is not None
    after = (seen.after * of[id(seen.after)]).detach()
    if isinstance(seen.module, (nn.Linear, nn.Conv2d)):
        bias = seen.module.bias
        assert bias is not None
        grad = of[id(seen.after)]
        own = (bias if isinstance(seen.module, nn.Linear) else bias[:, None, None]).detach() * grad
        return Term(seen.name, _placed(scene, seen.module, own), own.flatten(1).sum(1))
    assert seen.before is not None
    before = (seen.before * of[id(seen.before)]).detach()
    total = after.flatten(1).sum(1) - before.flatten(1).sum(1)
    if activation(seen.module) is not None or isinstance(seen.module, nn.BatchNorm2d):
        return Term(seen.name, _placed(scene, seen.module, after - before), total)
    joined = [_placed(scene, seen.module, each) for each in (after, before)]
    if joined[0] is None or joined[1] is None:
        return Term(seen.name, None, total)
    return Term(seen.name, joined[0].sum(1, keepdim=True) - joined[1].sum(1, keepdim=True), total)


def _placed(scene: Scene, module: nn.Module, x: Tensor) -> Tensor | None:
    """(B, C, rows, cols) of whatever layout, or None."""
    if x.ndim == 4:
        last = isinstance(module, (nn.Linear, nn.LayerNorm)) and not type(module).__name__.endswith("2d")
        return x.movedim(-1, 1) if last else x
    if x.ndim != 3:
        return None
    try:
        return token_layout(x.shape[1], scene.anatomy).map(x)
    except ValueError:
        return None


@contextmanager
def _watching(scene: Scene) -> Iterator[list[_Seen]]:
    """Fills with what goes into and comes out of every layer that adds something of its own."""
    seen: list[_Seen] = []
    model: Any = scene.model
    attentions = {name: model.get_submodule(name) for name in scene.anatomy.attentions}
    inside = {
        sub
        for module in attentions.values()
        for name, sub in module.named_modules()
        if name != "" and not _after(module, sub)
    }
    with ExitStack() as hooks:
        for name, module in attentions.items():
            _between(name, module, _last(module), seen, hooks)
        for name, module in model.named_modules():
            if module in inside or module in attentions.values():
                continue
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                if module.bias is not None:
                    _around(name, module, seen, hooks)
            elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)) or _bends(module):
                _around(name, module, seen, hooks)
        if hasattr(model, "pos_drop") and hasattr(model, "patch_embed"):
            _constants(model, seen, hooks)
        yield seen


def _bends(module: nn.Module) -> bool:
    """Activations but ReLU, which adds nothing."""
    return activation(module) is not None and not isinstance(module, (nn.ReLU, nn.LeakyReLU))


def _last(attention: Any) -> nn.Module:
    """What first sees A · V."""
    return attention.norm if isinstance(getattr(attention, "norm", None), nn.Module) else attention.proj


def _after(attention: Any, sub: nn.Module) -> bool:
    return sub is attention.proj or sub is getattr(attention, "norm", None)


def _around(name: str, module: nn.Module, seen: list[_Seen], hooks: ExitStack) -> None:
    def entered(_: Any, args: tuple) -> tuple:
        own = args[0].view_as(args[0])  # a tensor that nothing else reads
        seen.append(_Seen(name, module, own))
        return (own, *args[1:])

    def left(_: Any, __: Any, output: Tensor) -> Tensor:
        next(each for each in reversed(seen) if each.module is module).after = output
        return output.clone()  # a residual sum may write over it

    hooks.callback(module.register_forward_pre_hook(entered).remove)
    hooks.callback(module.register_forward_hook(left).remove)


def _between(name: str, module: nn.Module, last: nn.Module, seen: list[_Seen], hooks: ExitStack) -> None:
    """From the tokens that enter an attention module to A · V."""

    def entered(_: Any, args: tuple, keywords: dict) -> tuple:
        own = args[0].view_as(args[0])
        seen.append(_Seen(name, module, own))
        return (own, *args[1:]), keywords

    def mixed(_: Any, args: tuple) -> tuple:
        own = args[0].view_as(args[0])
        next(each for each in reversed(seen) if each.module is module).after = own
        return (own, *args[1:])

    hooks.callback(module.register_forward_pre_hook(entered, with_kwargs=True).remove)
    hooks.callback(last.register_forward_pre_hook(mixed).remove)


def _constants(model: Any, seen: list[_Seen], hooks: ExitStack) -> None:
    """Positions, class token and registers: what is added between the patches and the first block."""

    def patches(_: Any, __: Any, output: Tensor) -> Tensor:
        own = output.view_as(output)
        seen.append(_Seen("positions and prefix", model.pos_drop, own))
        return own

    def placed(_: Any, __: Any, output: Tensor) -> None:
        seen[_index(seen, model.pos_drop)].after = output

    hooks.callback(model.patch_embed.register_forward_hook(patches).remove)
    hooks.callback(model.pos_drop.register_forward_hook(placed).remove)


def _index(seen: list[_Seen], module: nn.Module) -> int:
    return next(i for i, each in enumerate(seen) if each.module is module)
