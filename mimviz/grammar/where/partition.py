"""Partition: a few pictures share out the places among them (MixedAE, Chen et al., CVPR 2023, section 3.1, arXiv 2303.17152)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Partition:
    """where(images, grid) → Mask. Within each `group` of neighbours in the batch every place is visible in exactly one picture.

    Shares are equal, to a patch where the number of places does not divide. Of the last group, where the batch ends too early,
    only some pictures are there, and so some places are visible in none of them.
    """

    group: int = 4

    def __post_init__(self):
        if self.group < 2:
            raise ValueError(f"group is {self.group}, but at least 2 pictures are wanted to share places")

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        groups = -(-len(images) // self.group)
        noise = torch.rand(groups, grid.count, generator=generator)
        owner = noise.argsort(1).argsort(1) % self.group  # (groups, N)
        visible = owner[:, None] == torch.arange(self.group)[:, None]  # (groups, group, N)
        hidden = ~visible.flatten(0, 1)[: len(images)]
        return Mask(hidden.to(images.device), None, grid.shape)  # type: ignore[arg-type]
