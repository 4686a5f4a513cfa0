"""Sizes of a ViT, read off the shapes of its tensors in timm's names; only its heads cannot be seen there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ..core import Grid
from .found import Stack

Tensors = Mapping[str, Tensor]
# A fused qkv does not show its heads. These are the published ViTs: heads of 64 channels up to Large, then 16 wider ones.
HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1152: 16, 1280: 16, 1408: 16, 1664: 16}


def stack(tensors: Tensors, file: str, *, prefix: str = "", heads: int | None = None, each: int = 64) -> tuple[Stack, str]:
    """(the blocks `{prefix}blocks.N…`, how their heads were guessed or nothing); heads of `each` channels where nothing tells."""
    numbers = {int(m[1]) for k in tensors if (m := re.match(re.escape(prefix) + r"blocks\.(\d+)\.", k))}
    if numbers != set(range(len(numbers))) or not numbers:
        raise ValueError(f"{file} has the blocks {sorted(numbers)} of {prefix or 'its encoder'}: some are missing")
    width = shape(tensors, f"{prefix}blocks.0.norm1.weight", file, 1)[0]
    hidden = shape(tensors, f"{prefix}blocks.0.mlp.fc1.weight", file, 2)[0]
    guess = ""
    if heads is None:
        heads = (HEADS.get(width) if each == 64 else None) or max(width // each, 1)
        guess = f"{heads} heads, as published models of width {width} have (a fused qkv does not show them)"
    if heads < 1 or width % heads:
        raise ValueError(
            f"{file} has width {width}, which {heads} heads do not divide: "
            f"say how many with load_mim(…, {'decoder_' if prefix else ''}heads=…)"
        )
    return Stack(width, len(numbers), heads, hidden), guess


def grid(tensors: Tensors, file: str, *, size: int | tuple[int, int] | None = None) -> Grid:
    """The grid of `patch_embed` and `pos_embed` or a table of relative positions: square unless `size` (height, width) tells."""
    _, channels, patch, across = shape(tensors, "patch_embed.proj.weight", file, 4)
    if channels != 3 or patch != across:
        raise ValueError(
            f"{file} takes pictures of {channels} channels in patches of {patch} x {across}, "
            "but 3 (R, G, B) and square ones are wanted"
        )
    counts = _patches(tensors, file)
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        asked = Grid.of(height, width, patch)
        if not counts or asked.count in counts:
            return asked
        raise ValueError(f"{file} has positions for {counts[0]} patches, but its configuration speaks of {asked.count}")
    if not counts:
        raise ValueError(
            f"{file} misses pos_embed or a table of relative positions: it is cut, or of a variant that mimviz does not know"
        )
    side = next((math.isqrt(n) for n in counts if n > 0 and math.isqrt(n) ** 2 == n), 0)
    if not side:
        raise ValueError(
            f"{file} has positions for {counts[0]} patches, which make no square, and nothing says how many rows there are: "
            "put a config.json with image_size beside it"
        )
    return Grid(side, side, patch)


def shape(tensors: Tensors, name: str, file: str, ndim: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there with so many axes."""
    if name not in tensors:
        raise ValueError(f"{file} misses {name}: it is cut, or of a variant that mimviz does not know")
    found = tuple(tensors[name].shape)
    if len(found) != ndim or 0 in found:
        raise ValueError(f"{file}: {name} has shape {found}, but {ndim} axes of at least 1 are wanted")
    return found


def _patches(tensors: Tensors, file: str) -> tuple[int, ...]:
    """How many patches the positions may speak of, the likeliest first; none for a model without a table of them."""
    if "pos_embed" in tensors:
        prefix = sum(shape(tensors, k, file, 3)[1] for k in ("cls_token", "reg_token") if k in tensors)
        length = shape(tensors, "pos_embed", file, 3)[1]
        return (length - prefix, length) if "reg_token" in tensors else (length - prefix,)  # timm: none for any prefix token
    table = next((k for k in tensors if k.endswith("relative_position_bias_table")), None)
    if table is None:
        return ()
    distances = max(shape(tensors, table, file, 2)[0] - 3, 0)  # (2 · rows − 1)², and 3 of the class token
    return (((math.isqrt(distances) + 1) // 2) ** 2,)
