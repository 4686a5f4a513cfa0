"""Noise as diffusion adds it: xₜ = √ᾱₜ x₀ + √(1 − ᾱₜ) ε, with the cosine schedule (Nichol and Dhariwal, ICML 2021, equation 17,
arXiv 2102.09672); and as radar has it (Goodman, JOSA 1976, doi 10.1364/JOSA.66.001145).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Cosine:
    """Times 0..steps: 0 is the picture itself, at `steps` next to nothing is left of it."""

    steps: int = 1000
    offset: float = 0.008

    def kept(self, t: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        """ᾱₜ: the share of the variance that is picture; exactly 1 at t = 0. No step takes more than 99.9 % of what is left."""
        at = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        curve = ((at + self.offset) / (1 + self.offset) * math.pi / 2).cos().square()
        steps = (curve[1:] / curve[:-1]).clamp(min=0.001)
        return torch.cat([torch.ones(1, dtype=torch.float64), steps.cumprod(0)]).to(t.device)[t].float()

    def noised(self, x: Tensor, noise: Tensor, t: Int[Tensor, " B"]) -> Tensor:
        """x and noise (B, …) → xₜ."""
        kept = self.kept(t).to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return kept.sqrt() * x + (1 - kept).sqrt() * noise


def waves(t: Int[Tensor, " B"], width: int) -> Float[Tensor, "B C"]:
    """Sines and cosines of the time at rates of 1 … 1 / 10 000, as a transformer tells places."""
    rates = torch.logspace(0, -4, width // 2, device=t.device)
    angles = t[:, None] * rates
    return F.pad(torch.cat([angles.sin(), angles.cos()], -1), (0, width % 2))


@dataclass(frozen=True)
class Speckle:
    """Every pixel of light 0..1 times a number of its own, Gamma-distributed of mean 1 and variance 1 / `looks`.

    mean, std: with which the pictures were normalized.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    looks: int = 4

    def __post_init__(self):
        if self.looks < 1:
            raise ValueError(f"looks is {self.looks}, but at least 1 is wanted: the mean of so many is what is seen")

    def noised(self, images: Float[Tensor, "B 3 H W"], generator: torch.Generator | None = None) -> Float[Tensor, "B 3 H W"]:
        """Normalized pictures → the same with speckle, which is never cut off at 1."""
        single = torch.empty(self.looks, *images.shape).exponential_(generator=generator)
        mean, std = (images.new_tensor(each)[:, None, None] for each in (self.mean, self.std))
        return ((images * std + mean) * single.mean(0).to(images) - mean) / std
