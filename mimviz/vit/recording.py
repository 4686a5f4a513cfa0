"""The one place with forward hooks: a pass is recorded, and the model is afterwards as it was, also after an exception."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from .anatomy import Anatomy
from .trace import Layer, Trace


@contextmanager
def recording(model: nn.Module, anatomy: Anatomy) -> Iterator[Trace]:
    """A Trace that fills itself while `model` runs once inside."""
    trace = Trace(anatomy)
    with ExitStack() as hooks:
        for name in anatomy.attentions:
            _attention(model.get_submodule(name), name, trace, hooks)
        for index, name in enumerate(anatomy.blocks):
            _block(model.get_submodule(name), trace, hooks, first=index == 0)
        yield trace


def _attention(module: Any, name: str, trace: Trace, hooks: ExitStack) -> None:
    def entered(_, args: tuple, keywords: dict) -> None:
        trace.layers.append(Layer(name, module, args[0], keywords))

    def mixed(_, args: tuple) -> None:
        trace.layers[-1].mixed = args[0]

    def left(_, args: tuple, output: Any) -> None:
        trace.layers[-1].output = output

    last = module.norm if isinstance(getattr(module, "norm", None), nn.Module) else module.proj  # the first to see A · V
    for handle in (
        module.register_forward_pre_hook(entered, with_kwargs=True),
        last.register_forward_pre_hook(mixed),
        module.register_forward_hook(left),
    ):
        hooks.callback(handle.remove)


def _block(module: nn.Module, trace: Trace, hooks: ExitStack, *, first: bool) -> None:
    def entered(_, args: tuple) -> None:
        trace.embedded = args[0]

    def left(_, args: tuple, output: Any) -> None:
        trace.tokens.append(output)

    if first:
        hooks.callback(module.register_forward_pre_hook(entered).remove)
    hooks.callback(module.register_forward_hook(left).remove)
