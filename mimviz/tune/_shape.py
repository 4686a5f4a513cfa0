"""With which keywords timm builds a ViT of the very shape of one in hand."""

from __future__ import annotations

from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import nn


def shape_of(vit: Any) -> dict[str, Any]:
    """Keywords for `timm.create_model`; TypeError for a model that is no plain VisionTransformer."""
    if not _is_plain(vit) or vit.attn_pool is not None:
        raise TypeError(f"this is a {type(vit).__name__}, but a plain ViT of timm (VisionTransformer) is wanted")
    block: Any = vit.blocks[0]
    return {
        "img_size": tuple(vit.patch_embed.img_size or vit.pretrained_cfg["input_size"][1:]),
        "patch_size": vit.patch_embed.patch_size[0],
        "embed_dim": vit.embed_dim,
        "depth": len(vit.blocks),
        "num_heads": block.attn.num_heads,
        "mlp_ratio": block.mlp.fc1.out_features / vit.embed_dim,
        "qkv_bias": block.attn.qkv.bias is not None,
        "qk_norm": not isinstance(block.attn.q_norm, nn.Identity),
        "init_values": None if isinstance(block.ls1, nn.Identity) else 1e-5,
        "class_token": vit.cls_token is not None,
        "reg_tokens": vit.num_reg_tokens,
        "no_embed_class": vit.no_embed_class,
        "pre_norm": not isinstance(vit.norm_pre, nn.Identity),
        "fc_norm": not isinstance(vit.fc_norm, nn.Identity),
        "global_pool": vit.global_pool,
        "num_classes": vit.num_classes,
        "dynamic_img_size": vit.dynamic_img_size,
    }


def _is_plain(vit: Any) -> bool:
    return isinstance(vit, VisionTransformer)
