"""Positions: where each patch lies (DropPos, Wang et al., NeurIPS 2023, section 3.2, arXiv 2309.03576; MP3, ICML 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Positions:
    """target(images, mask) → (B, N, N): for each patch a chance of every place, all of it on its own, or a bell around it.

    sigma: of the bell, exp(−distance² / σ²) with distances in patches; rows sum to 1.
    """

    grid: Grid
    sigma: float = 0.0

    def __post_init__(self):
        if not self.sigma >= 0:
            raise ValueError(f"sigma is {self.sigma}, but at least 0 patches are wanted: 0 asks for the very place")

    @property
    def width(self) -> int:
        return self.grid.count

    def __call__(self, images: Float[Tensor, "B C H W"], mask: Mask | None = None) -> Float[Tensor, "B N N"]:
        return self.table().to(images.device).expand(len(images), -1, -1)

    def table(self) -> Float[Tensor, "N N"]:
        if not self.sigma:
            return torch.eye(self.grid.count)
        y, x = torch.meshgrid(*(torch.arange(float(n)) for n in self.grid.shape), indexing="ij")
        at = torch.stack([y, x], -1).flatten(0, 1)
        return (-(at[:, None] - at).square().sum(-1) / self.sigma**2).softmax(-1)

    def draw(self, rows: Float[Tensor, "B N N"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Each patch in the colour of the likeliest place: red grows downwards, green to the right."""
        place = rows.argmax(-1)
        down, right = place // self.grid.cols, place % self.grid.cols
        red, green = down / max(self.grid.rows - 1, 1), right / max(self.grid.cols - 1, 1)
        return torch.stack([red, green, torch.full_like(red, 0.25)], -1).unflatten(1, self.grid.shape)
