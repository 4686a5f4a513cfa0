"""Models whose answer is known: their logit reads one patch of a picture, and nothing else."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

import mimviz as mv
from mimviz.core import Grid, Heatmap
from mimviz.data.planted import planted as picture
from mimviz.vit.planted import TARGET
from mimviz.vit.planted import planted_vit as vit

GRID = Grid(4, 4, 8)
PATCH = 6


def planted_vit(**keywords: Any) -> nn.Module:
    """A ViT for 32 x 32 pixels: every token attends to red patches, copies that there is red, and class 1 reads it."""
    return vit(GRID, **keywords)


def planted_scene(*patches: int, target: Any = TARGET, **keywords: Any) -> mv.Scene:
    """A scene with a picture for each of `patches` (one with PATCH unless told), in which that patch alone is red."""
    shown = [picture(GRID, patch, seed=index) for index, patch in enumerate(patches or (PATCH,))]
    return mv.Scene(planted_vit(**keywords), shown, target=target)


def on_patches(heat: Heatmap, grid: Grid = GRID) -> Tensor:
    """(B, N): the map's mean over each patch, whether it was made on patches or on pixels."""
    if tuple(heat.values.shape[1:]) == grid.shape:
        return heat.values.flatten(1)
    return grid.patchify(heat.values[:, None]).mean(-1)
