"""ViTs whose outliers are known: neurons of one block make a huge token of every red patch, and later tokens look at it."""

from __future__ import annotations

from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

import mimviz as mv
from mimviz.core import Grid, Picture

GRID = Grid(8, 8, 8)
RED, CONSTANT, HUGE = 0, 2, 4  # channels come in pairs (+, -), so that every token has mean 0
LAYER, NEURONS = 1, (5, 17)
RED_PATCHES = (9, 30, 54)


def picture(*patches: int, seed: int = 0) -> Picture:
    """Grey with faint noise; red at `patches` (those of RED_PATCHES unless told)."""
    array = np.random.default_rng(seed).uniform(0.4, 0.6, (64, 64, 3))
    for patch in patches or RED_PATCHES:
        row, col = divmod(patch, 8)
        array[row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] = (1.0, 0.1, 0.1)
    return Picture(array)


def plain_vit(*, prefix: int = 1, depth: int = 4, noise: float = 0.05, seed: int = 0, name: str = "vit_tiny_patch16_224") -> Any:
    """A timm ViT of width 32 for 64 x 64 pixels whose weights are faint noise."""
    torch.manual_seed(seed)
    pooled = {"class_token": False, "global_pool": "avg"} if prefix == 0 else {"reg_tokens": prefix - 1}
    vit = timm.create_model(name, img_size=64, patch_size=8, embed_dim=32, depth=depth, num_heads=2, num_classes=3, **pooled)
    with torch.no_grad():
        for key, p in vit.named_parameters():
            p.copy_(torch.ones_like(p) if "norm" in key and "weight" in key else torch.randn_like(p) * noise)
    return vit.eval()


def register_vit(**keywords: Any) -> nn.Module:
    """Block 1: two neurons answer to red and write to one channel. Block 2: every token attends to whoever has much of it."""
    vit = plain_vit(**keywords)
    with torch.no_grad():
        vit.patch_embed.proj.weight *= 0.2  # red is no outlier by itself
        color = torch.tensor([1.0, -0.5, -0.5]) / 64
        for sign, channel in ((1, RED), (-1, RED + 1)):
            vit.patch_embed.proj.weight[channel] = sign * 0.5 * color[:, None, None]
            vit.patch_embed.proj.bias[channel] = 0
        for token in (vit.pos_embed, vit.cls_token, vit.reg_token):
            if token is not None:
                token[..., CONSTANT], token[..., CONSTANT + 1] = 1.0, -1.0
        mlp = vit.blocks[LAYER].mlp
        for neuron in NEURONS:
            mlp.fc1.weight[neuron] = 0
            mlp.fc1.weight[neuron, RED], mlp.fc1.weight[neuron, RED + 1], mlp.fc1.bias[neuron] = 4.0, -4.0, -6.0
            mlp.fc2.weight[HUGE, neuron], mlp.fc2.weight[HUGE + 1, neuron] = 6.0, -6.0
        q, k, _ = vit.blocks[LAYER + 1].attn.qkv.weight.split(vit.embed_dim)
        q[0, CONSTANT], q[0, CONSTANT + 1], k[0, HUGE], k[0, HUGE + 1] = 3.0, -3.0, 3.0, -3.0
    return vit


def state(model: nn.Module) -> tuple:
    """Whatever a context could forget to undo."""
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules())
    flags = [(m.training, getattr(m, "num_prefix_tokens", None), "forward" in m.__dict__) for m in model.modules()]
    return hooks, flags, [p.grad is None and p.requires_grad for p in model.parameters()], [id(p) for p in model.parameters()]


def scene(model: nn.Module | None = None, *pictures: Picture) -> mv.Scene:
    return mv.Scene(register_vit() if model is None else model, list(pictures) or [picture()])


def at(patches: tuple[int, ...] = RED_PATCHES) -> Tensor:
    mask = torch.zeros(64, dtype=torch.bool)
    mask[list(patches)] = True
    return mask.reshape(8, 8)
