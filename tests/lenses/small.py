"""A small ViT with random weights, lively enough that no map is flat."""

from __future__ import annotations

from typing import Any

import timm
import torch

import mimviz as mv

SIZE = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 5}


def small_vit(*, prefix: int = 1, seed: int = 0, name: str = "vit_tiny_patch16_224", **keywords: Any) -> Any:
    """prefix: 1 has a class token, 0 pools the patches, 3 has two registers after the class token."""
    torch.manual_seed(seed)
    pooled = {0: {"class_token": False, "global_pool": "avg"}, 1: {}}.get(prefix, {"reg_tokens": prefix - 1})
    vit = timm.create_model(name, **{**SIZE, **pooled, **keywords})
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter += torch.randn_like(parameter) * 0.2
    return vit.eval()


def small_scene(*, batch: int = 2, target: Any = 1, seed: int = 0, **keywords: Any) -> mv.Scene:
    model = small_vit(seed=seed, **keywords)
    generator = torch.Generator().manual_seed(seed + 1)
    height, width = model.patch_embed.img_size
    return mv.Scene(model, torch.randn(batch, 3, height, width, generator=generator), target=target)
