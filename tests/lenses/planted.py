"""Models whose answer is known: their logit reads one patch of a picture, and nothing else."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

import mimviz as mv
from mimviz.core import Grid, Heatmap
from mimviz.data.planted import planted as picture

GRID = Grid(4, 4, 8)
PATCH = 6
TARGET = 1  # the class whose logit rises with the planted patch
RED, CONSTANT, FOUND = 0, 2, 4  # channels come in pairs (+, -), so that every token has mean 0


def planted_vit(*, prefix: int = 1, depth: int = 3, noise: float = 0.02, seed: int = 0) -> nn.Module:
    """A timm ViT for 32 x 32 pixels: every token attends to red patches, copies that there is red, and class 1 reads it.

    In every block, head 0 asks with a channel that is the same for all tokens and is answered by the channel that says red; its
    value carries red to another channel, which alone the head reads. Everything else is faint noise, so that no map is flat.
    prefix: 1 has a class token, 0 pools the patches, 3 has two registers after the class token.
    """
    torch.manual_seed(seed)
    pooled = {"class_token": False, "global_pool": "avg", "fc_norm": False} if prefix == 0 else {"reg_tokens": prefix - 1}
    vit: Any = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=depth, num_heads=2, num_classes=3, **pooled
    )
    with torch.no_grad():
        for name, p in vit.named_parameters():
            p.copy_(torch.ones_like(p) if "norm" in name and "weight" in name else torch.randn_like(p) * noise)
        color = torch.tensor([1.0, -0.5, -0.5]) / 64  # mean redness of a patch of 8 x 8 pixels
        for sign, channel in ((1, RED), (-1, RED + 1)):
            vit.patch_embed.proj.weight[channel] = sign * 2 * color[:, None, None]
            vit.patch_embed.proj.bias[channel] = 0
        for token in (vit.pos_embed, vit.cls_token, vit.reg_token):
            if token is not None:
                token[..., CONSTANT], token[..., CONSTANT + 1] = 3.0, -3.0
        for block in vit.blocks:
            _reads_red(block, vit.embed_dim)
        vit.head.weight[TARGET, FOUND], vit.head.weight[TARGET, FOUND + 1] = 2.0, -2.0
    return vit.eval()


def _reads_red(block: Any, width: int) -> None:
    q, k, v = block.attn.qkv.weight.split(width)  # views: rows are channels of the heads
    q[0, CONSTANT], k[0, RED] = 1.5, 1.5
    v[0, RED] = 1.0
    block.attn.proj.weight[FOUND, 0], block.attn.proj.weight[FOUND + 1, 0] = 1.0, -1.0


def planted_scene(*patches: int, target: Any = TARGET, **keywords: Any) -> mv.Scene:
    """A scene with a picture for each of `patches` (one with PATCH unless told), in which that patch alone is red."""
    shown = [picture(GRID, patch, seed=index) for index, patch in enumerate(patches or (PATCH,))]
    return mv.Scene(planted_vit(**keywords), shown, target=target)


def on_patches(heat: Heatmap, grid: Grid = GRID) -> Tensor:
    """(B, N): the map's mean over each patch, whether it was made on patches or on pixels."""
    if tuple(heat.values.shape[1:]) == grid.shape:
        return heat.values.flatten(1)
    return grid.patchify(heat.values[:, None]).mean(-1)
