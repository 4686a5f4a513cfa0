"""A function in the place of one module's forward pass, for a while and for one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def standing_in(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Inside, in this thread, `module(…)` is `forward(…)`; what other threads ask of it, a training beside, is as ever."""
    owner, own = get_ident(), type(module).forward

    def asked(*args: Any, **keywords: Any) -> Any:
        return forward(*args, **keywords) if get_ident() == owner else own(module, *args, **keywords)

    module.forward = asked
    try:
        yield
    finally:
        vars(module).pop("forward", None)


def watched(module: nn.Module) -> bool:
    """Whether a hook would see what it is given."""
    return any(getattr(module, kind) for kind in HOOKS)


def replaced(module: nn.Module) -> bool:
    """Whether somebody's function stands in already."""
    return "forward" in vars(module)
