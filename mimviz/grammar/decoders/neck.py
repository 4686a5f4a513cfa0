"""A feature pyramid over the cells of mask units (iTPN, Tian et al., CVPR 2023; FPN, Lin et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Neck(nn.Module):
    """neck(maps): (B, K, side, side, channels) of K mask units at each stage, finest first → the same places with `width` channels.

    Coarse maps are enlarged and added to finer ones, each behind a layer of its own; nothing passes from unit to unit.
    """

    def __init__(self, widths: Sequence[int], *, width: int = 256):
        super().__init__()
        self.laterals = nn.ModuleList(nn.Linear(each, width) for each in widths)
        self.outputs = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in widths
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        levels, above = [], None
        for lateral, output, x in reversed(list(zip(self.laterals, self.outputs, maps, strict=True))):
            x = lateral(x)
            if above is not None:
                times = x.shape[2] // above.shape[2]
                x = x + above.repeat_interleave(times, 2).repeat_interleave(times, 3)
            above = x
            levels.append(x + output(x))
        return levels[::-1]


class Gather(nn.Module):
    """gather(levels) → (B, K, dim): a token for each unit, the sum over levels of its cells side by side, each of dim / cells."""

    def __init__(self, sides: Sequence[int], width: int, dim: int):
        super().__init__()
        if wrong := [side for side in sides if dim % side**2]:
            raise ValueError(
                f"dim is {dim}, but a unit has {wrong[0]} x {wrong[0]} cells at its finest: {wrong[0] ** 2} must divide it"
            )
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim // side**2)) for side in sides
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        parts = [layer(x).flatten(2) for layer, x in zip(self.layers, levels, strict=True)]
        return torch.stack(parts).sum(0)
