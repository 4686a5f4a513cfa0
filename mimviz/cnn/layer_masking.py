"""A ResNet's answer with a part of the picture kept out of every layer.

Towards Improved Input Masking for Convolutional Neural Networks. Balasubramanian, Feizi. CVPR 2023. arXiv 2211.14646.

A mask goes through the net beside the activations. Before each convolution that looks around itself, the border of what is hidden
takes the mean of its visible neighbours ("neighbour padding"), so that the convolution sees no edge; afterwards everything outside
the mask is set to 0 again. The mask grows as the field of view does: a place counts as visible once one visible input reaches it.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-8


def masked_outputs(net: nn.Module, images: Tensor, visible: Tensor) -> Tensor:
    """images (B, 3, H, W), visible (B, 1, H, W) in 0 and 1 → logits (B, classes); with all visible, the net's own.

    Raises TypeError for anything but a timm ResNet, ValueError where one that sees nothing of its picture is asked.
    """
    if not isinstance(net, ResNet):
        raise TypeError(f"{type(net).__name__} was given, but layer masking is written for timm's ResNets")
    model: Any = net
    x, m = images * visible, visible
    for name in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x, m = _through(getattr(model, name), x, m)
    share = m.mean((2, 3)).clamp_min(EPS)
    pooled = (x * m).mean((2, 3)) / share
    return model.fc(F.dropout(pooled, model.drop_rate, model.training))


def _through(module: nn.Module, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """(activations, mask) through one module and whatever is inside it."""
    if isinstance(module, nn.Sequential):
        for inside in module:
            x, m = _through(inside, x, m)
        return x, m
    if hasattr(module, "conv1") and hasattr(module, "downsample"):
        return _block(module, x, m)
    if isinstance(module, nn.Conv2d):
        grown = _grown(m, module)
        return module(_padded(x, m, module)) * grown, grown
    if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
        seen = F.max_pool2d(m, module.kernel_size, module.stride, _pad(module), ceil_mode=module.ceil_mode)
        return _pooled(module, x, m) * seen, seen
    return module(x) * m, m


def _block(block: Any, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """A BasicBlock or Bottleneck: the shortcut's mask is that of the branch, which has seen at least as much."""
    if getattr(block, "se", None) is not None:
        raise TypeError(
            "this ResNet has squeeze-and-excitation, whose mean over the picture layer masking does not cover"
        )
    short, seen = x, m
    last = 3 if hasattr(block, "conv3") else 2
    for i in range(1, last + 1):
        for name in (f"conv{i}", f"bn{i}", *((f"act{i}",) if i < last else ()), *(("aa",) if i == last - 1 else ())):
            x, m = _through(getattr(block, name), x, m)
    if block.downsample is not None:
        short, seen = _through(block.downsample, short, seen)
    return getattr(block, f"act{last}")(x + short * seen) * m, m


def _grown(m: Tensor, conv: nn.Conv2d) -> Tensor:
    """The mask of what a convolution puts out: visible where anything visible was looked at."""
    pad: Any = conv.padding
    return F.max_pool2d(F.pad(m, (pad[1], pad[1], pad[0], pad[0])), conv.kernel_size, conv.stride, 0, conv.dilation)  # type: ignore[arg-type]


def _padded(x: Tensor, m: Tensor, conv: nn.Conv2d) -> Tensor:
    """Neighbour padding, k times for a kernel of k > 1: hidden places take the mean of the visible ones around them."""
    reach = max(k * d if k > 1 else 0 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    for _ in range(reach):
        if bool(m.min() == 1):
            break
        around = F.avg_pool2d(m, 3, 1, 1, divisor_override=1)
        x = x + (1 - m) * F.avg_pool2d(x * m, 3, 1, 1, divisor_override=1) / (around + EPS)
        m = (m + around).clamp(0, 1)
    return x


def _pooled(module: nn.Module, x: Tensor, m: Tensor) -> Tensor:
    """The largest, or the mean, over what is visible."""
    if isinstance(module, nn.MaxPool2d):
        return module(x.masked_fill(m == 0, torch.finfo(x.dtype).min))
    share = module(m)
    return module(x * m) / share.clamp_min(EPS)


def _pad(module: Any) -> Any:
    return module.padding
