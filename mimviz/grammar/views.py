"""Views of a batch of normalized pictures: parts of them, mirrored, in other colours (SimCLR, Chen et al., ICML 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from .cut import cut


@dataclass(frozen=True)
class Views:
    """views(images, generator=None) → one view (B, 3, H, W) of each picture.

    scale: share of the area that is seen, from..to. flip: half of them mirrored. jitter: the most by which brightness (in spreads),
    contrast and saturation change; grey: chance that the colours go. Settings of SimCLR's kind, without blur.
    """

    scale: tuple[float, float] = (0.3, 1.0)
    flip: bool = True
    jitter: float = 0.4
    grey: float = 0.2

    def __call__(
        self, images: Float[Tensor, "B 3 H W"], generator: Generator | None = None
    ) -> Float[Tensor, "B 3 H W"]:
        images = cut(images, 1, self.scale, flip=self.flip, generator=generator)
        draw = torch.rand(4, len(images), 1, 1, 1, generator=generator).to(images)
        bright, contrast, colour = self.jitter * (2 * draw[:3] - 1)
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + (images - mean) * (1 + contrast) + bright
        grey = images.mean(1, keepdim=True)
        return grey + (images - grey) * torch.where(draw[3] < self.grey, 0.0, 1 + colour)
