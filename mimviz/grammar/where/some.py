"""Some: of what is hidden, only some is predicted (CrossMAE, Fu et al., TMLR 2025, section 3.3, arXiv 2401.14391)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from ...core import Grid, Mask
from .highest import Highest


@dataclass(frozen=True)
class Some:
    """where(images, grid) → Mask that hides what `hides` hides, and of these has a random share `predict` of all patches predicted.

    At least one; where fewer are hidden in a picture of the batch, as many in all.
    """

    hides: Callable[..., Mask] = field(default_factory=Highest)
    predict: float = 0.25

    def __post_init__(self):
        if not 0 < self.predict <= 1:
            raise ValueError(f"predict is {self.predict}, but a share of the patches above 0, up to 1, is wanted")

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        mask = self.hides(images, grid, generator)
        hidden = mask.hidden
        noise = torch.rand(hidden.shape, generator=generator, device=generator.device if generator else hidden.device)
        count = min(max(round(self.predict * grid.count), 1), int(hidden.sum(1).min()))
        chosen = noise.to(hidden.device).masked_fill(~hidden, -1).topk(count, dim=1).indices
        return Mask(hidden, torch.zeros_like(hidden).scatter(1, chosen, True), mask.shape)
