"""Which file reads which module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from . import beit, convit, crate, diff, hiera, parallel, plain, pool, relpos, rope, swin
from .mixing import Mixing
from .reader import Reader

READERS: tuple[Reader, ...] = (
    plain.READER,
    rope.READER,
    beit.READER,
    relpos.READER,
    swin.READER,
    swin.READER_V2,
    hiera.READER,
    convit.READER,
    convit.READER_PLAIN,
    crate.READER,
    diff.READER,
    parallel.READER,
    pool.READER,
)


def is_read(module: nn.Module) -> bool:
    """Whether this is an attention module whose map can be recomputed."""
    return any(type(module) in reader.modules for reader in READERS)


def reader_of(module: nn.Module) -> Reader:
    """The reader of a module; TypeError for a class that no file reads."""
    for each in READERS:
        if type(module) in each.modules:
            return each
    raise TypeError(
        f"attention of {type(module).__module__}.{type(module).__name__} cannot be recomputed: mimviz reads "
        f"{', '.join(sorted({kind.__name__ for each in READERS for kind in each.modules}))}"
    )


def read(module: nn.Module, x: Tensor, keywords: dict[str, Any]) -> Mixing:
    """The mixing of `module` for the input `x` and the keywords of that call; TypeError for a class that no file reads."""
    return reader_of(module).read(module, x, **keywords)
