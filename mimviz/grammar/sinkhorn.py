"""Every prototype gets an equal share of a batch: Sinkhorn and Knopp's scaling, as in SwAV (NeurIPS 2020, arXiv 2006.09882)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def sinkhorn(chances: Float[Tensor, "B K"], *, rounds: int = 3) -> Float[Tensor, "B K"]:
    """Chances above 0 → chances whose rows sum to 1 and whose columns come, round by round, nearer to B / K."""
    for _ in range(rounds):
        chances = chances / chances.sum(0, keepdim=True)
        chances = chances / chances.sum(1, keepdim=True)
    return chances
