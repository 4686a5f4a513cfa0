"""Losses of a batch as a whole, which no single patch receives: SimCLR's contrast of two views, MSN's spread of choices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def nt_xent(a: Tensor, b: Tensor, tau: float = 0.5) -> Tensor:
    """−log of the other view's share of exp(cosine / τ) among all others, the mean of 2 B rows (SimCLR, equation 1)."""
    z = F.normalize(torch.cat([a, b]), dim=1)
    alike = (z @ z.mT / tau).fill_diagonal_(-torch.inf)
    return F.cross_entropy(alike, torch.arange(len(z), device=z.device).roll(len(a)))


def mean_entropy(chances: Float[Tensor, "B K"]) -> Tensor:
    """Entropy of the mean of chances, in nats: log K where all K are chosen alike, 0 where all rows choose one. MSN's me-max."""
    mean = chances.mean(0)
    return -torch.xlogy(mean, mean).sum()
