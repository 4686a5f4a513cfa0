"""A region of the picture, however it was drawn, at a map's own resolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import Heatmap, Mask
from ..vit import Scene
from ._asking import fitting

MIDDLE = (0.25, 0.25, 0.75, 0.75)


def inside(scene: Scene, heat: Heatmap, region: Any) -> Tensor:
    """(B, H, W) boolean at the resolution of the map: cells whose middle lies in the region. ValueError for an empty one."""
    fitting(scene, heat)
    shape = tuple(heat.values.shape[1:])
    region = MIDDLE if region is None else region
    if isinstance(region, Mask):
        drawn = scene.grid.check(region).hidden.reshape(-1, *scene.grid.shape)
    elif (
        isinstance(region, (tuple, list)) and len(region) == 4 and not isinstance(region[0], (list, tuple, np.ndarray))
    ):
        drawn = _box(region, shape)
    else:
        drawn = torch.as_tensor(np.asarray(region))
        drawn = drawn[None] if drawn.ndim == 2 else drawn
    if drawn.dtype != torch.bool or drawn.ndim != 3 or len(drawn) not in (1, len(scene)):
        raise ValueError(
            f"region is {drawn.dtype} of shape {tuple(drawn.shape)}, but a Mask, truth values (H, W) or (B, H, W), or a box of "
            "four shares 0..1 (top, left, bottom, right) is wanted"
        )
    found = F.interpolate(drawn[:, None].float().cpu(), shape, mode="nearest-exact")[:, 0] > 0.5
    if not found.flatten(1).any(1).all():
        raise ValueError("the region holds no cell of the map: draw a larger one")
    return found.expand(len(scene), -1, -1)


def _box(box: Any, shape: tuple[int, ...]) -> Tensor:
    top, left, bottom, right = (float(x) for x in box)
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(f"region is the box {tuple(box)}, but 0 ≤ top < bottom ≤ 1 and 0 ≤ left < right ≤ 1 is wanted")
    y, x = ((torch.arange(size) + 0.5) / size for size in shape)
    return (((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None])[None]
