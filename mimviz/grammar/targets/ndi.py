"""NDI: normalized-difference indices of pairs of bands (FG-MAE, Wang et al., IEEE JSTARS 2024, section III, arXiv 2310.18653)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask

Normal = tuple[float, float, float]


@dataclass(frozen=True)
class NDI:
    """target(images, mask) → (B, N, patch² · pairs): (a − b) / (a + b + eps) at every pixel, −1..1, of light a and b in 0..1.

    Twice as much light changes nothing, a haze over all does. The paper's indices tell plants, water and houses (of near infrared,
    red, green and short-wave infrared); in a picture of colours there are these: green and red, green and blue, red and blue.
    mean, std: with which the pictures were normalized.
    """

    grid: Grid
    mean: Normal
    std: Normal
    pairs: tuple[tuple[int, int], ...] = ((1, 0), (1, 2), (0, 2))
    eps: float = 1e-5

    @property
    def width(self) -> int:
        return self.grid.patch**2 * len(self.pairs)

    def __call__(self, images: Float[Tensor, "B C H W"], mask: Mask | None = None) -> Float[Tensor, "B N D"]:
        light = (images * _column(self.std, images) + _column(self.mean, images)).clamp(min=0)
        a, b = (light[:, list(band)] for band in zip(*self.pairs, strict=True))
        return self.grid.patchify((a - b) / (a + b + self.eps))

    def draw(self, rows: Float[Tensor, "B N D"], *, like: Tensor | None = None) -> Float[Tensor, "B H W 3"]:
        """The first three indices as red, green and blue, −1 dark and 1 bright; of fewer, the last one again."""
        maps = self.grid.unpatchify(rows.float())
        shown = maps[:, [min(i, len(self.pairs) - 1) for i in range(3)]]
        return (0.5 + shown.permute(0, 2, 3, 1) / 2).clamp(0, 1)


def _column(values: Normal, images: Tensor) -> Tensor:
    return torch.tensor(values).to(images)[:, None, None]
