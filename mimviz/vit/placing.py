"""On which cells of the picture an attention module's queries and keys lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from timm.layers.attention_pool import AttentionPoolLatent
from torch import nn

from ..core import Grid
from .anatomy import Anatomy
from .attention import Mixing, Reader, Windowed, is_read

Place = Callable[[Mixing], Windowed]


def attentions(model: nn.Module, parts: Anatomy) -> tuple[str, ...]:
    """Names of the modules whose attention can be read, in the order of the pass: those of the anatomy, or whole blocks."""
    return parts.attentions or tuple(name for name in parts.blocks if is_read(model.get_submodule(name)))


def poolings(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules in which learnt queries read all tokens."""
    return tuple(name for name, module in model.named_modules() if isinstance(module, AttentionPoolLatent))


def decoding(decoder: nn.Module, parts: Anatomy) -> Anatomy:
    """A decoder's blocks and attention as an anatomy; it works on all patches of the encoder's last grid."""
    names = tuple(name for name, module in decoder.named_modules() if is_read(module))
    prefix = getattr(decoder, "prefix", parts.prefix)
    return replace(
        parts,
        family=type(decoder).__name__,
        prefix=prefix,
        blocks=tuple(name.rpartition(".")[0] for name in names),
        attentions=names,
        stages=(parts.grid,),
        stage_of=(0,) * len(names),
        prefix_from=0,
    )


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
