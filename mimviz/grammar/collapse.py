"""Collapse: features that no longer tell patches apart, prototypes that no longer tell anything.

The effective rank of features is RankMe's (Garrido, Balestriero, Najman, LeCun, ICML 2023, arXiv 2210.02885, equation 1), which is
Roy and Vetterli's (EUSIPCO 2007) of the matrix as it is. How complete and dimensional collapse differ is told by Jing, Vincent,
LeCun and Tian (ICLR 2022, arXiv 2110.09348).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_RANK, LEAST_SPREAD, LEAST_CONTENT = 0.03, 0.02, 0.05
"""Measured on the bundled pictures: the three bundled models have ranks of 0.30 to 0.37 of what can be, spreads of 0.67 to 0.90 and
contents of 0.28 to 0.90, encoders without training 0.20 to 0.43, 0.38 to 0.80 and 0.49 to 0.95; I-JEPA without a slow teacher fell
to a rank of 0.02 and a spread of 0.005 in 60 steps."""
LEAST_CODES = 2.0


@dataclass(frozen=True)
class Collapse:
    """rank: effective rank of the features, 1..most. spread: share 0..1 of their squared length that is not their common mean.
    content: share 0..1 of what differs at all that differs between pictures at one place; the rest says where a patch is.

    codes: how many of `count` prototypes are told apart in effect, 1..count; None where there are none.
    """

    rank: float
    most: int
    spread: float
    content: float
    codes: float | None = None
    count: int = 0

    @property
    def why(self) -> dict[str, str]:
        """{measure: what has collapsed by it, in words}; empty where nothing has."""
        found = {}
        if self.spread < LEAST_SPREAD:
            found["spread"] = (
                f"all patches of all pictures get nearly one feature: {self.spread:.1%} of it is not common"
            )
        if self.rank < max(LEAST_RANK * self.most, 2.0):
            found["rank"] = f"features lie in {self.rank:.1f} of {self.most} directions"
        if self.content < LEAST_CONTENT:
            found["content"] = (
                f"features tell where a patch is, not what: {self.content:.1%} of them differs between pictures"
            )
        if self.codes is not None and self.codes < LEAST_CODES:
            found["codes"] = f"prototypes tell nothing apart: {self.codes:.1f} of {self.count} in effect"
        return found

    def __bool__(self) -> bool:
        """Whether anything has collapsed."""
        return bool(self.why)


def collapse(features: Float[Tensor, "B N D"], chances: Float[Tensor, "B N K"] | None = None) -> Collapse:
    """From features of the patches of several pictures, and from what prototypes a teacher gives the patches (rows sum to 1).

    ValueError for fewer than two pictures, and for values that are NaN or infinite.
    """
    if len(features) < 2:
        raise ValueError(
            f"features are of {len(features)} picture, but what differs between pictures wants at least two"
        )
    if not bool(torch.isfinite(features).all()):
        raise ValueError("features hold NaN or infinite values: the weights are broken, which is worse than collapsed")
    rows = features.detach().double()
    differing = rows - rows.mean((0, 1))
    between = rows - rows.mean(0)
    whole, apart = float(rows.square().sum()), float(differing.square().sum())
    codes = None if chances is None else told_apart(chances)
    return Collapse(
        effective_rank(rows.flatten(0, 1)), min(rows.shape[0] * rows.shape[1], rows.shape[2]), apart / max(whole, 1e-300),
        float(between.square().sum()) / max(apart, 1e-300), codes, 0 if chances is None else chances.shape[-1],
    )  # fmt: skip


def effective_rank(rows: Float[Tensor, "n D"]) -> float:
    """exp of the entropy of the singular values over their sum, 1..min(n, D)."""
    sizes = torch.linalg.svdvals(rows.double())
    return _perplexity(sizes / sizes.sum().clamp_min(1e-300))


def in_use(chances: Float[Tensor, "*B K"]) -> float:
    """How many codes are used in effect, 1..K: exp of the entropy of their mean chances over all patches."""
    return _perplexity(chances.double().flatten(0, -2).mean(0))


def told_apart(chances: Float[Tensor, "*B K"]) -> float:
    """How many codes are told apart in effect, 1..K: exp of the mutual information of patch and code.

    1 both where all patches get one prototype and where each gets all of them evenly.
    """
    rows = chances.double().flatten(0, -2)
    within = -torch.special.xlogy(rows, rows).sum(1).mean()
    return in_use(rows) / float(within.exp())


def _perplexity(shares: Tensor) -> float:
    return float((-torch.special.xlogy(shares, shares).sum()).exp())
