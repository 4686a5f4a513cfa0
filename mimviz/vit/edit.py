"""A model whose attention is other than it learnt, for a while: heads or tokens knocked out, maps replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import get_ident
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .anatomy import Anatomy, anatomy
from .attention import Gated, Mixing, reader_of
from .layer import Change
from .placing import attentions, decoding, placing, poolings

Where = int | Literal["pool"]
_active: WeakKeyDictionary[nn.Module, _Edit] = WeakKeyDictionary()


@dataclass(eq=False)
class _Edit:
    """What is being done to one module, in order, and the hooks that do it."""

    changes: list[Change] = field(default_factory=list)
    hooks: ExitStack = field(default_factory=ExitStack)


def changes_of(module: nn.Module) -> tuple[Change, ...]:
    """What is being done to the map of an attention module right now."""
    return tuple(_active[module].changes) if module in _active else ()


def changes_in(model: nn.Module) -> dict[nn.Module, tuple[Change, ...]]:
    """What is being done to each of its attention modules right now."""
    if not _active:
        return {}
    return {module: changes_of(module) for module in model.modules() if module in _active}


@contextmanager
def as_edited(model: nn.Module, then: Mapping[nn.Module, tuple[Change, ...]]) -> Iterator[None]:
    """Inside, the model is edited as it was when `then` was taken, whatever is done to it now."""
    with ExitStack() as undo:
        for module in model.modules() if _active or then else ():
            if changes_of(module) != then.get(module, ()):
                undo.enter_context(_with(module, list(then.get(module, ()))))
        yield


@contextmanager
def edited(
    model: nn.Module,
    *,
    part: Literal["encoder", "decoder"] = "encoder",
    heads: Mapping[Any, Sequence[int]] | None = None,
    tokens: Mapping[Any, Sequence[int]] | Sequence[int] | None = None,
    maps: Mapping[Any, Callable[[Tensor], Tensor]] | None = None,
    gates: Mapping[int, float | Sequence[float]] | None = None,
) -> Iterator[nn.Module]:
    """`with edited(model, heads={3: [0, 5]}):` every pass inside, also that of a Scene, runs with other attention maps.

    model: a timm ViT, an Encoder or a masked model; part: its encoder, or its decoder where that attends. Layers are numbers, also
    negative, or "pool", an attention pooling, whose tokens are numbered as it reads them.
    heads: {layer: heads that add nothing}. tokens: {layer: tokens that nobody may look at}, numbered as in
    `trace.attention[layer]`, or a list for all layers and the pooling; what is left of a row is made to sum to what it did.
    gates: {layer: σ(λ), 0 content … 1 position, one or one for each head} of ConViT. maps: {layer: function} of A (B, heads, N, N),
    which may carry a gradient; windowed layers hand over (B · windows, heads, n, n). The order is gates, tokens, maps, heads.

    A map that its function returns untouched leaves the module's own numbers alone. Edits may be nested; all are undone on leaving,
    also after an exception. A Scene made inside keeps to them wherever its trace and gradients are asked for, one made before does
    not see them; `score` runs the model as it is. Raises IndexError for a layer or head that there is not, TypeError for a gate of
    another family.
    """
    vit, parts = _of(model, part)
    wanted: list[tuple[Any, Change]] = []
    for layer, share in (gates or {}).items():
        wanted.append((layer, _gated(vit, parts, layer, share)))
    if tokens is not None:
        some = tokens if isinstance(tokens, Mapping) else _everywhere(vit, parts, tokens)
        wanted += [(layer, _hidden(vit, parts, layer, ids)) for layer, ids in some.items()]
    wanted += [(layer, partial(_replaced, function=function)) for layer, function in (maps or {}).items()]
    wanted += [(layer, _knocked(vit, parts, layer, ids)) for layer, ids in (heads or {}).items()]
    with ExitStack() as undo:
        for layer, change in wanted:
            undo.enter_context(_changing(vit.get_submodule(_name(vit, parts, layer)), change))
        yield model


@contextmanager
def _changing(module: nn.Module, change: Change) -> Iterator[None]:
    edit = _begun(module)
    edit.changes.append(change)
    try:
        yield
    finally:
        edit.changes.remove(change)
        _ended(module)


@contextmanager
def _with(module: nn.Module, changes: list[Change]) -> Iterator[None]:
    edit = _begun(module)
    before, edit.changes = edit.changes, changes
    try:
        yield
    finally:
        edit.changes = before
        _ended(module)


def _begun(module: nn.Module) -> _Edit:
    if module not in _active:
        _active[module] = _Edit()
        _hook(module, _active[module].hooks)
    return _active[module]


def _ended(module: nn.Module) -> None:
    """Hooks go with the last change."""
    if not _active[module].changes:
        _active.pop(module).hooks.close()


def _hook(module: nn.Module, hooks: ExitStack) -> None:
    """The module computes as ever; what it made of A · V is exchanged on the way to the projection."""
    read = reader_of(module)
    entered: dict[int, tuple[Tensor, dict[str, Any]]] = {}  # for each thread

    def enter(_, args: tuple, keywords: dict) -> None:
        entered[get_ident()] = args[0], keywords

    def exchange(_, args: tuple) -> tuple | None:
        if get_ident() not in entered:
            return None  # a part of the module alone, no pass through it
        x, keywords = entered.pop(get_ident())
        if not changes_of(module):
            return None
        mixing = read.read(module, x, **keywords)
        made = weights = mixing.weights()
        for change in changes_of(module):
            weights = change(weights, mixing)
        return None if weights is made else (mixing.join(weights @ mixing.v),)

    hooks.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
    hooks.callback(read.enters(module).register_forward_pre_hook(exchange).remove)


def _names(vit: nn.Module, parts: Anatomy) -> tuple[str, ...]:
    if not (names := attentions(vit, parts)):
        raise ValueError(f"{parts.family} has no attention modules, so there is nothing to edit")
    return names


def _name(vit: nn.Module, parts: Anatomy, layer: Where) -> str:
    names = poolings(vit)[:1] if layer == "pool" else _names(vit, parts)
    number = 0 if layer == "pool" else layer
    if not -len(names) <= number < len(names):
        pool = ", or 'pool'" if poolings(vit) else ""
        names = _names(vit, parts)
        raise IndexError(
            f"layer is {layer!r}, but this {parts.family} has {len(names)}: 0..{len(names) - 1}, or -1 for the last{pool}"
        )
    return names[number]


def _of(model: Any, part: str) -> tuple[nn.Module, Anatomy]:
    """What is edited, and the names of its parts."""
    encoder = getattr(model, "encoder", model)
    vit: nn.Module = getattr(encoder, "vit", encoder)
    parts = anatomy(vit)
    if part == "encoder":
        return vit, parts
    decoder = getattr(model, "decoder", None)
    if part != "decoder" or not isinstance(decoder, nn.Module):
        raise ValueError(
            f"part is {part!r}, but {type(model).__name__} has 'encoder'{' alone' if decoder is None else ''}"
        )
    return decoder, decoding(decoder, parts)


def _everywhere(vit: nn.Module, parts: Anatomy, tokens: Sequence[int]) -> dict[Where, Sequence[int]]:
    """The same tokens in all layers, and in a pooling, which most models keep from seeing those before the patches."""
    ids: dict[Where, Sequence[int]] = dict.fromkeys(range(len(_names(vit, parts))), tokens)
    if poolings(vit):
        missing = 0 if getattr(vit, "pool_include_prefix", False) else parts.prefix
        count = parts.prefix + parts.grid.count
        places = [token % count - missing if -count <= token < count else token for token in tokens]
        ids["pool"] = [place for place in places if place >= 0]
    return ids


def _replaced(weights: Tensor, mixing: Mixing, *, function: Callable[[Tensor], Tensor]) -> Tensor:
    found = function(weights)
    if found.shape != weights.shape:
        raise ValueError(f"the edit returned a map of shape {tuple(found.shape)}, but {tuple(weights.shape)} went in")
    return found


def _knocked(vit: Any, parts: Anatomy, layer: Where, ids: Sequence[int]) -> Change:
    def knock(weights: Tensor, mixing: Mixing) -> Tensor:
        count = weights.shape[1]
        if wrong := [head for head in ids if not -count <= head < count]:
            raise IndexError(f"head is {wrong[0]}, but layer {layer} has {count}: 0..{count - 1}")
        keep = weights.new_ones(count)
        keep[list(ids)] = 0
        return weights * keep[:, None, None]

    _name(vit, parts, layer)
    return knock


def _hidden(vit: nn.Module, parts: Anatomy, layer: Where, ids: Sequence[int]) -> Change:
    name = _name(vit, parts, layer)
    place = placing(vit, name, parts, reader_of(vit.get_submodule(name)))[2]

    def hide(weights: Tensor, mixing: Mixing) -> Tensor:
        count = weights.shape[-1] if place is None else place(mixing).keys
        if wrong := [token for token in ids if not -count <= token < count]:
            raise IndexError(f"token is {wrong[0]}, but layer {layer} has {count}: 0..{count - 1}")
        kept = torch.ones(count + 1, dtype=weights.dtype, device=weights.device)  # the last one stands for padding
        kept[[token % count for token in ids]] = 0
        if place is None:
            left = weights * kept[:-1]
        else:
            at = place(mixing).key_at
            left = weights * kept[at].repeat(len(weights) // len(at), 1)[:, None, None]  # (B · W, 1, 1, K)
        return left * (
            weights.sum(-1, keepdim=True) / left.sum(-1, keepdim=True).clamp_min(torch.finfo(left.dtype).tiny)
        )

    return hide


def _gated(vit: nn.Module, parts: Anatomy, layer: int, share: float | Sequence[float]) -> Change:
    name = _name(vit, parts, layer)
    module: Any = vit.get_submodule(name)
    if not isinstance(getattr(module, "gating_param", None), Tensor):
        raise TypeError(
            f"layer {layer} is {type(module).__name__}, which has no gate: only ConViT's first layers have one"
        )

    def gate(weights: Tensor, mixing: Mixing) -> Tensor:
        assert isinstance(mixing, Gated)
        wanted = torch.as_tensor(share, dtype=weights.dtype, device=weights.device).expand(weights.shape[1])
        return replace(mixing, share=wanted, edit=None).weights()

    return gate
