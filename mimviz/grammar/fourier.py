"""Pictures compared by their frequencies (focal frequency loss, Jiang et al., ICCV 2021, arXiv 2012.12821)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

Pictures = Float[Tensor, "B C H W"]


def focal_frequency(guess: Pictures, truth: Pictures) -> Float[Tensor, ""]:
    """Mean of w · |F(guess) − F(truth)|² over frequencies; w = log(1 + |F(guess) − F(truth)|), over its largest of each picture,
    draws the loss to the frequencies that are furthest off and carries no gradient.
    """
    apart = torch.fft.fft2(guess.float(), norm="ortho") - torch.fft.fft2(truth.float(), norm="ortho")
    weight = torch.log1p(apart.detach().abs())
    weight = weight / weight.amax((1, 2, 3), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * (apart.real.square() + apart.imag.square())).mean()
