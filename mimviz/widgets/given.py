"""What people hand to a widget: names, models, lenses, one or many of them."""

from __future__ import annotations

from typing import Any

from torch import nn

from .. import judges, lenses
from ..core.words import word


def many(value: Any) -> list[Any]:
    """A list, also of one."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def vit_of(model: Any) -> nn.Module:
    """A model, or the one that a name stands for; the bundled "tiny-classifier" where nothing is named."""
    if model is None or isinstance(model, str):
        from ..zoo import load_vit

        return load_vit(model or "tiny-classifier")
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}, but a timm model or a name for load_vit is wanted")
    return model


def name_of(model: nn.Module, index: int) -> str:
    """What to call a model on the page."""
    config = getattr(model, "pretrained_cfg", None) or {}
    return str(getattr(model, "name", "") or config.get("architecture") or f"{type(model).__name__} {index + 1}")


def lens_of(method: Any) -> Any:
    """A lens, from its name or class or itself; ValueError for a name that there is not."""
    return word(method, lenses, "methods")


def judge_of(judge: Any) -> Any:
    """The same of a judge."""
    return word(judge, judges, "judges")
