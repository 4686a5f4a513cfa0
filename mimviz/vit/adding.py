"""Something added to what goes into one module of a model, for the length of a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from torch import Tensor, nn


@contextmanager
def adding(module: nn.Module, value: Tensor) -> Iterator[None]:
    """Inside, and in this thread alone, `module` sees its input plus `value`, which broadcasts to it."""
    mine = get_ident()
    hook = module.register_forward_pre_hook(
        lambda _, args: (args[0] + value, *args[1:]) if get_ident() == mine else None
    )
    try:
        yield
    finally:
        hook.remove()
