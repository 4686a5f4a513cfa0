"""Models whose grid grows coarser from stage to stage: Swin, Hiera and conv nets."""

from __future__ import annotations

from typing import Any

from timm.models.hiera import Hiera
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2

from ...cnn import FAMILIES, stages
from ...core import Grid
from .picture import attentions, check_channels, own_size, side

SWIN = (SwinTransformer, SwinTransformerV2)
HIERA = (Hiera,)
CONVOLUTIONAL = FAMILIES


def swin(model: Any, size: tuple[int, int] | None, default: tuple[int, int]) -> dict[str, Any]:
    check_channels(model)
    height, width = own_size(model, model.patch_embed.img_size, size, fixed=model.patch_embed.strict_img_size)
    patch, depth = side(model.patch_embed.patch_size), len(model.layers)
    last = Grid.of(height, width, patch * 2 ** (depth - 1))
    grids = tuple(Grid.of(height, width, patch * 2**s) for s in range(depth))
    named = [(f"layers.{s}.blocks.{i}", s) for s, layer in enumerate(model.layers) for i in range(len(layer.blocks))]
    bias = "continuous relative bias" if isinstance(model, SwinTransformerV2) else "relative bias"
    return _staged(model, (height, width), last, grids, named, positions=bias, pool=model.global_pool, reach="windows")


def hiera(model: Any, size: tuple[int, int] | None, default: tuple[int, int]) -> dict[str, Any]:
    check_channels(model)
    patch = side(model.patch_stride)
    own = tuple(cells * patch for cells in model.tokens_spatial_shape)
    height, width = own_size(model, own, size, fixed=True)
    pooled = model.stage_ends[: model.q_pool]  # the block after each of these pools its queries 2 x 2
    stride = side(model.q_stride)
    sides = [patch * stride**s for s in range(model.q_pool + 1)]
    grids = tuple(Grid.of(height, width, each) for each in sides)
    named = [(f"blocks.{i}", sum(i > end for end in pooled)) for i in range(len(model.blocks))]
    pool = getattr(getattr(model.head, "global_pool", None), "pool_type", None) or getattr(model.head, "pool_type", "")
    return _staged(model, (height, width), grids[-1], grids, named, positions="learned", pool=pool, reach="windows")


def convolutional(model: Any, size: tuple[int, int] | None, default: tuple[int, int]) -> dict[str, Any]:
    check_channels(model)
    coarsest = max(each["reduction"] for each in model.feature_info)
    own = tuple(-(-side // coarsest) * coarsest for side in default)  # the next size that the last stage divides
    height, width = own_size(model, (own[0], own[1]), size, fixed=False)
    found = stages(model, height, width)
    named = list(zip(found.blocks, found.stage_of, strict=True))
    grids = found.grids
    return _staged(
        model, (height, width), grids[-1], grids, named, positions="none", pool=found.pool, reach="convolutions"
    )


def _staged(
    model: Any, size: tuple[int, int], grid: Grid, grids: tuple[Grid, ...], named: list[tuple[str, int]], **more: str
) -> dict[str, Any]:
    blocks = tuple(name for name, _ in named)
    return {
        "grid": grid,
        "width": model.num_features,
        "prefix": 0,
        "class_tokens": 0,
        "registers": 0,
        "blocks": blocks,
        "attentions": attentions(model, blocks) if more["reach"] != "convolutions" else (),
        "size": size,
        "stages": grids,
        "stage_of": tuple(stage for _, stage in named),
        **more,
    }
