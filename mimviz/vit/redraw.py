"""The weights of a timm model drawn anew."""

from __future__ import annotations

import torch
from torch import nn

from .encoder import REGISTER_STD, Encoder


@torch.no_grad()
def redraw(encoder: Encoder) -> None:
    """Draws the weights anew in place, as timm does when it makes such a model; frozen ones, like fixed positions, stay.

    Raises TypeError for a family of which timm does not say how (ConViT, Hiera).
    """
    draw = getattr(encoder.vit, "init_weights", None)
    if draw is None:
        raise TypeError(
            f"timm does not say how the weights of a {encoder.anatomy.family} are drawn: take a ViT, BEiT or EVA"
        )
    fixed = [(p, p.clone()) for p in encoder.vit.parameters() if not p.requires_grad]
    for module in encoder.vit.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    draw()
    registers = getattr(encoder.vit, "reg_token", None)
    if registers is not None:
        nn.init.normal_(registers, std=REGISTER_STD)
    for parameter, value in fixed:
        parameter.copy_(value)
