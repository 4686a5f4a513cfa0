"""How each family of models is read: a function of the model, the size asked for and the size of its data config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from .flat import FLAT, flat
from .hierarchical import CONVOLUTIONAL, HIERA, SWIN, convolutional, hiera, swin
from .refused import refusal

Size = tuple[int, int]
READERS: tuple[tuple[tuple[type[nn.Module], ...], Callable[[Any, Size | None, Size], dict[str, Any]]], ...] = (
    (FLAT, flat),
    (SWIN, swin),
    (HIERA, hiera),
    (CONVOLUTIONAL, convolutional),
)
"""(classes of timm models, their reader): reader(model, size asked for, size of its data config) → the fields of an Anatomy."""


def facts(model: nn.Module, size: Size | None, default: Size) -> dict[str, Any]:
    """The fields of a model's Anatomy; TypeError with the reason for a family that no reader knows."""
    reason = refusal(model)
    if reason is None:
        for classes, read in READERS:
            if isinstance(model, classes):
                return read(model, size, default)
        known = ", ".join(sorted(each.__name__ for classes, _ in READERS for each in classes))
        reason = f"it is no timm model of the classes {known}"
    raise TypeError(f"mimviz cannot read {type(model).__name__}: {reason}")


__all__ = ["READERS", "facts", "refusal"]
