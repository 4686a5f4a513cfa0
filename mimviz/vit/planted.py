"""A ViT whose answer is known: one of its logits reads the red patches of a picture, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..core import Grid, drawing
from .create import create

TARGET = 1  # the class whose logit rises with a red patch
RED, CONSTANT, FOUND = 0, 2, 4  # channels come in pairs (+, −), so that every token has mean 0


def planted_vit(grid: Grid, *, prefix: int = 1, depth: int = 3, noise: float = 0.02, seed: int = 0) -> nn.Module:
    """Every token attends to red patches, copies that there is red, and class `TARGET` of three reads it.

    In every block, head 0 asks with a channel that is the same for all tokens and is answered by the channel that says red; its
    value carries red to another channel, which alone the head reads. Everything else is faint noise, so that no map is flat.
    prefix: 1 has a class token, 0 pools the patches, 3 has two registers after the class token. `mimviz.data.planted` paints
    pictures with one red patch.
    """
    pooled: Any = (
        {"class_token": False, "global_pool": "avg", "fc_norm": False} if prefix == 0 else {"reg_tokens": prefix - 1}
    )
    size: Any = {"img_size": (grid.height, grid.width), "patch_size": grid.patch, "embed_dim": 24, "depth": depth}
    with drawing(seed):
        vit: Any = create("vit_tiny_patch16_224", num_heads=2, num_classes=3, **size, **pooled)
        with torch.no_grad():
            for name, p in vit.named_parameters():
                p.copy_(torch.ones_like(p) if "norm" in name and "weight" in name else torch.randn_like(p) * noise)
            _plant(vit, grid)
    return vit.eval()


def _plant(vit: Any, grid: Grid) -> None:
    color = torch.tensor([1.0, -0.5, -0.5]) / grid.patch**2  # mean redness of a patch
    for sign, channel in ((1, RED), (-1, RED + 1)):
        vit.patch_embed.proj.weight[channel] = sign * 2 * color[:, None, None]
        vit.patch_embed.proj.bias[channel] = 0
    for token in (vit.pos_embed, vit.cls_token, vit.reg_token):
        if token is not None:
            token[..., CONSTANT], token[..., CONSTANT + 1] = 3.0, -3.0
    for block in vit.blocks:
        q, k, v = block.attn.qkv.weight.split(vit.embed_dim)  # views: rows are channels of the heads
        q[0, CONSTANT], k[0, RED] = 1.5, 1.5
        v[0, RED] = 1.0
        block.attn.proj.weight[FOUND, 0], block.attn.proj.weight[FOUND + 1, 0] = 1.0, -1.0
    vit.head.weight[TARGET, FOUND], vit.head.weight[TARGET, FOUND + 1] = 2.0, -2.0
