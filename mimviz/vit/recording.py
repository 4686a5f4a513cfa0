"""The one place with forward hooks: a pass is recorded, and the model is afterwards as it was, also after an exception."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from .anatomy import Anatomy
from .layout import block_layout
from .trace import Block, Layer, Trace


@contextmanager
def recording(model: nn.Module, anatomy: Anatomy) -> Iterator[Trace]:
    """A Trace that fills itself while `model` runs once inside, in this thread."""
    trace = Trace(anatomy)
    changing = any(getattr(module, "inplace", False) for module in model.modules())
    with ExitStack() as hooks:
        for name in anatomy.attentions:
            _attention(model.get_submodule(name), name, trace, hooks)
        for index in range(len(anatomy.blocks)):
            _block(model, index, trace, hooks, changing=changing)
        yield trace


def _here(hook: Callable) -> Callable:
    """Deaf to passes of other threads: a training that goes on beside must not fill this trace."""
    owner = threading.get_ident()
    return lambda *args: hook(*args) if threading.get_ident() == owner else None


def _attention(module: Any, name: str, trace: Trace, hooks: ExitStack) -> None:
    def entered(_, args: tuple, keywords: dict) -> None:
        trace.layers.append(Layer(name, module, args[0], keywords))

    def mixed(_, args: tuple) -> None:
        trace.layers[-1].mixed = args[0]

    def left(_, args: tuple, output: Any) -> None:
        trace.layers[-1].output = output

    last = (
        module.norm if isinstance(getattr(module, "norm", None), nn.Module) else module.proj
    )  # the first to see A · V
    for handle in (
        module.register_forward_pre_hook(_here(entered), with_kwargs=True),
        last.register_forward_pre_hook(_here(mixed)),
        module.register_forward_hook(_here(left)),
    ):
        hooks.callback(handle.remove)


def _block(model: nn.Module, index: int, trace: Trace, hooks: ExitStack, *, changing: bool) -> None:
    name = trace.anatomy.blocks[index]

    def entered(_, args: tuple) -> None:
        trace.embedded = args[0]

    def left(_, args: tuple, output: Tensor) -> Tensor | None:
        trace.blocks.append(Block(name, output, block_layout(model, index, output, trace.anatomy)))
        return output.clone() if changing else None  # what comes next may write into its input

    module = model.get_submodule(name)
    if not index:
        hooks.callback(module.register_forward_pre_hook(_here(entered)).remove)
    hooks.callback(module.register_forward_hook(_here(left)).remove)
