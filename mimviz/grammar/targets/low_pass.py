"""LowPass: pixels without fine detail as the target (PixMIM, Liu et al., TMLR 2024, arXiv 2303.02416)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Mask
from .pixels import Pixels


@dataclass(frozen=True)
class LowPass(Pixels):
    """Like `Pixels`, of pictures whose frequencies beyond `radius` are cut off: an ideal circle around the mean.

    radius: in periods over a picture of 224 pixels (the paper's 40), so that other sizes lose the same detail; from about 160 on
    nothing is cut. The authors' mask is centred half a period beside the mean and leaves complex numbers, of which they take the
    magnitude; here it is centred, and the result is real.
    """

    radius: float = 40.0

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        return super().__call__(self.filtered(images), mask)

    def pixels(self, guess, images, mask, *, statistics="visible"):
        return super().pixels(guess, self.filtered(images), mask, statistics=statistics)

    def filtered(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """The pictures without what is finer than `radius`; every picture's mean stays."""
        height, width = images.shape[2:]
        y = torch.fft.fftfreq(height, 1 / 224, device=images.device)
        x = torch.fft.rfftfreq(width, 1 / 224, device=images.device)
        inside = (y[:, None] ** 2 + x[None] ** 2) <= self.radius**2
        exact = images.float() if images.element_size() < 4 else images
        return torch.fft.irfft2(torch.fft.rfft2(exact) * inside, s=(height, width)).to(images.dtype)
