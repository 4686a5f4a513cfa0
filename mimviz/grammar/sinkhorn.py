"""Every prototype gets an equal share of a batch: Sinkhorn and Knopp's scaling, as in SwAV (NeurIPS 2020, arXiv 2006.09882)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sinkhorn(chances: Float[Tensor, "B K"], *, rounds: int = 3) -> Float[Tensor, "B K"]:
    """Chances above 0 → chances whose rows sum to 1 and whose columns come, round by round, nearer to B / K."""
    return balanced(chances.log(), rounds=rounds)


@torch.no_grad()
def balanced(logs: Float[Tensor, "*B M K"], *, rounds: int = 3) -> Float[Tensor, "*B M K"]:
    """The same of logarithms, which may be far apart; each M × K table by itself."""
    for _ in range(rounds):
        logs = logs - logs.logsumexp(-2, keepdim=True)
        logs = logs - logs.logsumexp(-1, keepdim=True)
    return logs.exp()
