"""Families that mimviz does not read, each with what is different about it."""

from __future__ import annotations

from typing import Any

from torch import nn

STEM = (
    "its patches come out of a stem of overlapping convolutions ({0}), so no token belongs to one patch of the picture"
)


def refusal(model: nn.Module) -> str | None:
    """Why a model cannot be read; None where it can."""
    vit: Any = model
    embed = getattr(vit, "patch_embed", None)
    if type(embed).__name__.startswith("Hybrid"):
        return STEM.format(type(getattr(embed, "backbone", embed)).__name__)
    return None
