"""Which file reads which module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from . import plain
from .mixing import Mixing

READERS: tuple[tuple[tuple[type, ...], Callable[..., Mixing]], ...] = ((plain.MODULES, plain.read_plain),)
"""(classes of modules, their reader): reader(module, x, **the keywords of the call) → Mixing."""


def is_read(module: nn.Module) -> bool:
    """Whether this is an attention module whose map can be recomputed."""
    return any(type(module) in classes for classes, _ in READERS)


def read(module: nn.Module, x: Tensor, keywords: dict[str, Any]) -> Mixing:
    """The mixing of `module` for the input `x` and the keywords of that call; TypeError for a class that no file reads."""
    for classes, reader in READERS:
        if type(module) in classes:
            return reader(module, x, **keywords)
    raise TypeError(
        f"attention of {type(module).__module__}.{type(module).__name__} cannot be recomputed: mimviz reads "
        f"{', '.join(sorted({each.__name__ for classes, _ in READERS for each in classes}))}"
    )
