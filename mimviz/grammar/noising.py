"""Noise as diffusion adds it: xₜ = √ᾱₜ x₀ + √(1 − ᾱₜ) ε, with the cosine schedule (Nichol and Dhariwal, ICML 2021, equation 17,
arXiv 2102.09672).
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
