"""The one place with forward hooks: a pass is recorded, and the model is afterwards as it was, also after an exception."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from timm.layers.attention_pool import AttentionPoolLatent
from torch import Tensor, nn

from .anatomy import Anatomy
from .attention import PROJECTIONS, reader_of
from .edit import changes_of
from .layer import Block, Layer
from .layout import block_layout, token_layout
from .placing import attentions, placing, poolings
from .trace import Trace


@contextmanager
def recording(model: nn.Module, anatomy: Anatomy, *, layers: Collection[int] | None = None) -> Iterator[Trace]:
    """A Trace that fills itself while `model` runs once inside, in this thread; of some `layers` alone, all unless told."""
    trace = Trace(anatomy)
    modules = list(model.named_modules())
    changing = any(getattr(module, "inplace", False) for _, module in modules)
    with ExitStack() as hooks:
        for index, name in enumerate((*attentions(model, anatomy), *poolings(model))):
            _attention(model, name, trace, hooks, kept=layers is None or index in layers)
        for index in range(len(anatomy.blocks)):
            _block(model, index, trace, hooks, changing=changing, kept=layers is None or index in layers)
        yield trace


def _here(hook: Callable) -> Callable:
    """Deaf to passes of other threads: a training that goes on beside must not fill this trace."""
    owner = threading.get_ident()
    return lambda *args: hook(*args) if threading.get_ident() == owner else None


def _attention(model: nn.Module, name: str, trace: Trace, hooks: ExitStack, *, kept: bool) -> None:
    module: Any = model.get_submodule(name)
    read = reader_of(module)
    queries, keys, place = placing(model, name, trace.anatomy, read)
    layer = Layer(name, module, read, queries, keys, place=place)

    def entered(_, args: tuple, keywords: dict) -> None:
        if layer in trace.layers or layer is trace.pooling:
            return  # a second pass through the same weights is not this one
        if isinstance(module, AttentionPoolLatent):
            trace.pooling = layer
        else:
            trace.layers.append(layer)
        if kept:
            layer.enter(args[0], keywords, changes_of(module))
            if place is None and trace.ids is None and args[0].ndim == 3:
                layer.prefix = token_layout(args[0].shape[1], trace.anatomy, name=name).prefix

    def mixed(_, args: tuple) -> None:
        if kept and layer.mixed is None:
            layer.mixed = args[0]

    def left(_, args: tuple, output: Any) -> None:
        if kept and layer.output is None:
            layer.output = output

    for part in PROJECTIONS if kept else ():
        if isinstance(getattr(module, part, None), nn.Linear):
            repeat = _here(
                lambda _, args, output, part=part: None if layer.output is not None else layer.say(part, output)
            )
            hooks.callback(getattr(module, part).register_forward_hook(repeat).remove)
    for handle in (
        module.register_forward_pre_hook(_here(entered), with_kwargs=True),
        read.enters(module).register_forward_pre_hook(_here(mixed)),
        module.register_forward_hook(_here(left)),
    ):
        hooks.callback(handle.remove)


def _block(model: nn.Module, index: int, trace: Trace, hooks: ExitStack, *, changing: bool, kept: bool) -> None:
    name = trace.anatomy.blocks[index]

    def entered(_, args: tuple) -> None:
        if trace.embedded is None:
            trace.embedded = args[0]

    def left(_, args: tuple, output: Tensor) -> Tensor | None:
        if len(trace.blocks) > index:
            return None
        layout = block_layout(model, index, output, trace.anatomy, dropped=trace.ids is not None)
        trace.blocks.append(Block(name, output if kept else None, layout))
        return output.clone() if changing else None  # what comes next may write into its input

    module = model.get_submodule(name)
    if not index:
        hooks.callback(module.register_forward_pre_hook(_here(entered)).remove)
    hooks.callback(module.register_forward_hook(_here(left)).remove)
