"""A ResNet whose answer is known: its logit rises with red, and one cell of the picture is red."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

import mimviz as mv
from mimviz.core import Grid, Heatmap
from mimviz.data.planted import planted as picture

GRID = Grid(4, 4, 32)
PATCH = 6
TARGET = 1


def planted_cnn(*, noise: float = 0.01, seed: int = 0) -> nn.Module:
    """A ResNet of four blocks for 128 x 128 pixels. Channel 0 says how red a place is, from stem to pooled features; class 1
    reads it. Everything else is faint noise, so that no map is flat."""
    torch.manual_seed(seed)
    net: Any = timm.create_model(
        "resnet18",
        layers=(1, 1, 1, 1),
        channels=(8, 8, 8, 8),
        num_classes=3,
        pretrained_cfg_overlay={"input_size": (3, 128, 128)},
    )
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.ones_like(p) if p.ndim == 1 and "weight" in name else torch.randn_like(p) * noise)
        net.conv1.weight[0] = torch.tensor([1.0, -0.5, -0.5])[:, None, None] / 49
        for block in (net.layer1[0], net.layer2[0], net.layer3[0], net.layer4[0]):
            block.bn2.weight.mul_(0.05)
            if block.downsample is not None:
                block.downsample[0].weight[0, 0] = 1.0
        net.bn1.bias[0] = -1.0  # only what is clearly red gets through, so that the gradient is there alone too
        net.fc.weight[TARGET, 0] = 2.0
    return net.eval()


def planted_scene(*patches: int, target: Any = TARGET, **keywords: Any) -> mv.Scene:
    """A scene with a picture for each of `patches` (one with PATCH unless told), in which that cell alone is red."""
    shown = [picture(GRID, patch, seed=index) for index, patch in enumerate(patches or (PATCH,))]
    return mv.Scene(planted_cnn(**keywords), shown, target=target)


def on_cells(heat: Heatmap) -> Tensor:
    """(B, 16): the map's mean over each cell, whether it was made on the last stage's grid or on pixels."""
    if tuple(heat.values.shape[1:]) == GRID.shape:
        return heat.values.flatten(1)
    return GRID.patchify(heat.values[:, None]).mean(-1)
