"""What a timm ViT is made of, read off the model and never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from timm.data.config import resolve_model_data_config
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from ..core import Grid

Positions = Literal["learned", "rope", "learned + rope", "relative bias", "learned + relative bias", "none"]


@dataclass(frozen=True)
class Anatomy:
    """The parts of a ViT for pictures of one size.

    `grid` maps pixels to patches; a sequence has `prefix` tokens in front of them: `class_tokens` of these are class tokens (DeiT's
    distillation token is one), the last `registers` are registers. `positions` names how it knows where a patch lies; `blocks` and
    `attentions` are the names of its blocks and attention modules, in the order of the pass; `mean` and `std` normalize pictures.
    """

    family: str
    grid: Grid
    width: int
    prefix: int
    class_tokens: int
    registers: int
    positions: Positions
    pool: str
    blocks: tuple[str, ...]
    attentions: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def anatomy(model: nn.Module, *, size: tuple[int, int] | None = None) -> Anatomy:
    """The anatomy of a timm model for pictures of `size` (height, width) pixels; its own size unless told.

    Raises TypeError for a model of another family, ValueError for a size that it does not take.
    """
    vit: Any = model
    if not isinstance(model, (VisionTransformer, Beit, Eva)):
        raise TypeError(f"{type(model).__name__} is not a timm ViT that mimviz can read")
    config = resolve_model_data_config(vit)
    patch = vit.patch_embed.patch_size[0]
    height, width = size or vit.patch_embed.img_size
    class_tokens = sum(getattr(vit, name, None) is not None for name in ("cls_token", "dist_token"))
    return Anatomy(
        family=type(vit).__name__,
        grid=Grid.of(height, width, patch),
        width=vit.embed_dim,
        prefix=vit.num_prefix_tokens,
        class_tokens=class_tokens,
        registers=vit.num_prefix_tokens - class_tokens,
        positions=_positions(vit),
        pool=vit.global_pool,
        blocks=tuple(f"blocks.{i}" for i in range(len(vit.blocks))),
        attentions=tuple(f"blocks.{i}.attn" for i in range(len(vit.blocks))),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _positions(vit: Any) -> Positions:
    learned = getattr(vit, "pos_embed", None) is not None
    if getattr(vit, "rope", None) is not None:
        return "learned + rope" if learned else "rope"
    if isinstance(vit, Beit):
        biased = vit.rel_pos_bias is not None or vit.blocks[0].attn.relative_position_bias_table is not None
        if biased:
            return "learned + relative bias" if learned else "relative bias"
    return "learned" if learned else "none"


