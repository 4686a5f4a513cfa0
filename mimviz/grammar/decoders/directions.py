"""Cosines with learned directions (the head of CAPI, Darcet et al., TMLR 2025, arXiv 2502.08769: L2-normalized on both sides)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Directions(nn.Linear):
    """Any tokens (…, dim) → scores (…, count): the cosine of the angle to each direction, over the temperature."""

    def __init__(self, dim: int, count: int, *, temperature: float = 0.12):
        super().__init__(dim, count, bias=False)
        self.temperature = temperature
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, input: Float[Tensor, "*B D"]) -> Float[Tensor, "*B K"]:
        return F.linear(F.normalize(input, dim=-1), F.normalize(self.weight, dim=-1)) / self.temperature
