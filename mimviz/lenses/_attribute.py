"""The lenses in the words of captum and Quantus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Heatmap, Picture
from ..vit import Scene, anatomy
from ..vit.target import Target

Lens = Callable[[Scene], Heatmap]


def _scene(model: nn.Module, inputs: Any, target: Any) -> Scene:
    """Tensors are taken as they are, normalized, even where all their numbers lie in 0..1."""
    if not (isinstance(inputs, Tensor) and inputs.ndim == 4):
        return Scene(model, inputs, target=target)
    parts = anatomy(model)
    if tuple(inputs.shape[1:]) != (3, *parts.size):
        raise ValueError(f"inputs are {tuple(inputs.shape)}, but (B, 3, {parts.size[0]}, {parts.size[1]}) is wanted")
    scene = Scene(model, [Picture.from_tensor(each, mean=parts.mean, std=parts.std) for each in inputs], target=target)
    scene.images = inputs.detach().to(scene.images)
    return scene


def attribute(lens: Lens, model: nn.Module, inputs: Any, *, target: Target | Tensor = None) -> Tensor:
    """As captum's `Method(model).attribute(inputs, target=…)`: a tensor shaped like the inputs (B, 3, H, W) where the lens has a
    number for every colour, else (B, 1, H, W) or (B, 1, rows, cols), as it maps pixels or patches.

    inputs: normalized tensors (B, 3, H, W), or whatever a Scene opens. target: a class by number or name, one for each or one for
    all, a tensor of numbers, a function of the logits, or None for each picture's best.
    """
    wanted: Any = target.tolist() if isinstance(target, Tensor) else target
    scene = _scene(model, inputs, wanted)
    colours = getattr(lens, "attributions", None)
    return lens(scene).values[:, None] if colours is None else colours(scene)


def to_quantus(lens: Lens) -> Callable[..., np.ndarray]:
    """The lens as Quantus' `explain_func(model, inputs, targets)`: numpy (B, 1, H, W), patches enlarged to pixels, values raw."""

    def explain(model: nn.Module, inputs: Any, targets: Any = None, **_: Any) -> np.ndarray:
        images = torch.as_tensor(np.asarray(inputs))
        labels = None if targets is None else np.asarray(targets).reshape(-1).astype(int).tolist()
        values = lens(_scene(model, images, labels)).values[:, None]
        return F.interpolate(values.float(), size=images.shape[-2:], mode="nearest").cpu().numpy()

    return explain
