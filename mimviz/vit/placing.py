"""On which cells of the picture an attention module's queries and keys lie."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from ..core import Grid
from .anatomy import Anatomy
from .attention import Mixing, Reader, Windowed, is_read

Place = Callable[[Mixing], Windowed]


def attentions(model: nn.Module, parts: Anatomy) -> tuple[str, ...]:
    """Names of the modules whose attention can be read, in the order of the pass: those of the anatomy, or whole blocks."""
    return parts.attentions or tuple(name for name in parts.blocks if is_read(model.get_submodule(name)))


def placing(model: nn.Module, name: str, parts: Anatomy, reader: Reader) -> tuple[Grid, Grid, Place | None]:
    """(grid of the queries, grid of the keys, what puts a mixing's windows back into the picture, None where there are none)."""
    block = next(
        (i for i, block in enumerate(parts.blocks) if name == block or name.startswith(block + ".")),
        len(parts.blocks) - 1,
    )
    queries = parts.stages[parts.stage_of[block]]
    keys = parts.stages[parts.stage_of[block - 1]] if reader.pools and block else queries
    if reader.place is None:
        return queries, keys, None
    return queries, keys, partial(reader.place, model, name, keys=keys, queries=queries)
