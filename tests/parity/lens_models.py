"""Small random models for parity with other libraries: a timm ViT, and a ResNet with batch norms that have seen pictures."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

import mimviz as mv


def vit(**keywords: Any) -> nn.Module:
    torch.manual_seed(0)
    made = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=5, **keywords
    )
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return made.eval()


def cnn(size: int = 64) -> nn.Module:
    torch.manual_seed(0)
    made: Any = timm.create_model(
        "resnet18",
        layers=(1, 1, 1, 1),
        channels=(8, 8, 8, 8),
        num_classes=5,
        pretrained_cfg_overlay={"input_size": (3, size, size)},
    )
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return made.eval()


def images(model: nn.Module, batch: int = 2) -> Tensor:
    size = mv.vit.anatomy(model).size
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


def scene(model: nn.Module, batch: int = 2, *, target: Any = (1, 3)) -> mv.Scene:
    return mv.Scene(model, images(model, batch), target=list(target)[:batch] if isinstance(target, tuple) else target)
