"""ViTs with one grid from the first block to the last, every patch in reach of every other."""

from __future__ import annotations

from typing import Any

from timm.layers.pos_embed_rel import RelPosMlp
from timm.models.beit import Beit
from timm.models.convit import ConVit
from timm.models.eva import Eva
from timm.models.naflexvit import NaFlexVit
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos

from .picture import attentions, check_channels, covering, own_size, side

FLAT = (VisionTransformer, Beit, Eva, NaFlexVit, ConVit, VisionTransformerRelPos)


def flat(vit: Any, size: tuple[int, int] | None, default: tuple[int, int]) -> dict[str, Any]:
    check_channels(vit)
    embeds = vit.embeds if isinstance(vit, NaFlexVit) else vit.patch_embed
    tokens = vit.embeds if isinstance(vit, NaFlexVit) else vit
    fixed = not (isinstance(vit, NaFlexVit) or getattr(vit, "dynamic_img_size", False))
    own: Any = getattr(embeds, "img_size", default)
    patch: Any = embeds.patch_size
    height, width = own_size(vit, own, size, fixed=fixed)
    grid = covering(height, width, side(patch), cut=fixed)
    class_tokens = sum(getattr(tokens, name, None) is not None for name in ("cls_token", "dist_token"))
    prefix = getattr(vit, "num_prefix_tokens", class_tokens)  # earlier versions of ConViT do not keep it
    blocks = tuple(f"blocks.{i}" for i in range(len(vit.blocks)))
    if isinstance(vit, ConVit) and grid.rows != grid.cols:
        raise ValueError(
            f"this ConVit has a grid of {grid.rows} x {grid.cols} patches, but timm's gated positional attention numbers the "
            "patches of a square: create it with a square img_size"
        )
    return {
        "grid": grid,
        "width": vit.embed_dim,
        "prefix": prefix,
        "class_tokens": class_tokens,
        "registers": prefix - class_tokens,
        "positions": _positions(vit, tokens),
        "pool": vit.global_pool,
        "blocks": blocks,
        "attentions": attentions(vit, blocks),
        "size": (height, width),
        "reach": "global",
        "stages": (grid,),
        "stage_of": (0,) * len(blocks),
        "prefix_from": min(vit.local_up_to_layer, len(blocks)) if isinstance(vit, ConVit) else 0,
    }


def _positions(vit: Any, tokens: Any) -> str:
    """Scheme by scheme, in the order in which a token meets them."""
    learned, factorized = (getattr(tokens, name, None) is not None for name in ("pos_embed", "pos_embed_y"))
    table = "learned" if learned else "factorized" if factorized else ""
    return " + ".join(each for each in (table, _inside(vit)) if each) or "none"


def _inside(vit: Any) -> str:
    """What tells the attention where a patch lies; "" where nothing does."""
    attn: Any = getattr(vit.blocks[0], "attn", None)
    if getattr(vit, "rope", None) is not None:
        return "rope"
    if isinstance(vit, Beit):
        biases = (vit.rel_pos_bias, attn.relative_position_bias_table)
        return "relative bias" if any(bias is not None for bias in biases) else ""
    if isinstance(vit, VisionTransformerRelPos):
        bias = attn.rel_pos if vit.shared_rel_pos is None else vit.shared_rel_pos
        return (
            "continuous relative bias" if isinstance(bias, RelPosMlp) else "relative bias" if bias is not None else ""
        )
    return "gated relative" if isinstance(vit, ConVit) and vit.local_up_to_layer > 0 else ""
