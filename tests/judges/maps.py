"""Maps whose quality is known, for the planted ViT whose logit reads one red patch."""

from __future__ import annotations

import torch

import mimviz as mv
from mimviz.core import Grid, Heatmap
from mimviz.data.planted import planted
from mimviz.vit.planted import TARGET, planted_vit

GRID = Grid(4, 4, 8)
PATCHES = (6, 9)


def scene(*, target=TARGET, prefix: int = 1) -> mv.Scene:
    shown = [planted(GRID, patch, seed=index) for index, patch in enumerate(PATCHES)]
    return mv.Scene(planted_vit(GRID, prefix=prefix), shown, target=target)


def perfect() -> Heatmap:
    """1 at the red patch, 0 elsewhere."""
    values = torch.zeros(len(PATCHES), GRID.count)
    values[torch.arange(len(PATCHES)), torch.tensor(PATCHES)] = 1.0
    return Heatmap(values.reshape(-1, *GRID.shape), by="perfect", signed=True)


def inverted() -> Heatmap:
    return Heatmap(-perfect().values, by="inverted", signed=True)


def drawn(seed: int) -> Heatmap:
    """Noise."""
    generator = torch.Generator().manual_seed(seed)
    return Heatmap(torch.randn(len(PATCHES), *GRID.shape, generator=generator), by=f"noise {seed}", signed=True)
