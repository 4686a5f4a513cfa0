"""A tuned model as a plain one: adapters merged, prompts made registers, a norm before the head folded into it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from ._models import vit_of
from .lora import merged
from .vpt import folded


def plain(model: Any) -> Any:
    """A copy as timm itself builds it, with the same logits, eval mode.

    model: a `Classifier`, a timm model, whatever was done to it. ValueError for deep prompts and learnable memory, which no model
    of timm's has.
    """
    if hasattr(model, "tasks"):
        raise ValueError(
            "learnable memory has no place in a model of timm's: save its state_dict(), or tune another way"
        )
    vit = vit_of(model)
    vit = (
        merged(vit) if any("lora" in name or "base_layer" in name for name, _ in vit.named_modules()) else deepcopy(vit)
    )
    if any(hasattr(block, "prompts") for block in getattr(vit, "blocks", ())):
        vit = folded(vit)
    if isinstance(getattr(vit, "head", None), nn.Sequential):
        vit.head = _joined(*vit.head)
    return vit.requires_grad_(True).eval()


@torch.no_grad()
def _joined(norm: Any, linear: Any) -> nn.Linear:
    """W (x − mean) / √(var + ε) + b as one layer."""
    out = nn.Linear(linear.in_features, linear.out_features, device=linear.weight.device)
    scale = (norm.running_var + norm.eps).rsqrt()
    out.weight.copy_(linear.weight * scale)
    out.bias.copy_(linear.bias - (linear.weight * scale) @ norm.running_mean)
    return out
