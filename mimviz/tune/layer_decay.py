"""Layer-wise learning rates: the nearer to the picture, the smaller (Clark et al., ELECTRA, ICLR 2020, arXiv 2003.10555; MAE)."""

from __future__ import annotations

import re

from torch import nn


def layer_decay(model: nn.Module, decay: float) -> dict[str, float]:
    """Factor on the learning rate of each parameter of a plain ViT, by name: decay ** (layers above it).

    Head and final norm have 1, the last block `decay`, the embedding with positions and prefix tokens decay ** (depth + 1).
    `model` may hold the ViT at any depth of its own, as `Classifier` does. Equal to MAE's fine-tuning, and
    to timm's `param_groups_layer_decay` but for a final norm before pooling, which timm counts to the last block.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay is {decay}, but a factor above 0 and at most 1 is wanted")
    names = [name for name, _ in model.named_parameters()]
    blocks = {name: int(found[1]) for name in names if (found := re.search(r"(?:^|\.)blocks\.(\d+)\.", name))}
    if not blocks:
        raise ValueError(f"{type(model).__name__} has no parameters named blocks.0…, so its layers cannot be counted")
    top = max(blocks.values()) + 2
    return {name: decay ** (top - _layer(name, blocks, top)) for name in names}


def _layer(name: str, blocks: dict[str, int], top: int) -> int:
    if name in blocks:
        return blocks[name] + 1
    stem = re.search(r"(?:^|\.)(cls_token|reg_token|pos_embed|patch_embed|norm_pre)\b", name)
    return 0 if stem else top
