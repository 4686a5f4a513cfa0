"""How strongly two patches act together, by how many others are there (Deng et al., Discovering and Explaining the Representation
Bottleneck of DNNs, ICLR 2022, arXiv 2111.06236; A²MIM asks it of masked models, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..core import seeded


def interactions(
    score: Callable[[Tensor], Tensor],
    patches: int,
    pair: tuple[int, int],
    *,
    orders: Sequence[int] | None = None,
    samples: int = 20,
    seed: int = 0,
) -> Tensor:
    """I⁽ᵐ⁾(i, j), the mean of f(S + ij) − f(S + i) − f(S + j) + f(S) over sets S of m other patches: a number for each m.

    score: (K, patches) boolean, True = the patch is there → (K,), e.g. `lambda there: Dropping(scene).scores(~there)[:, 0]`, for
    which no set may be empty. orders: the m to ask, all of 0 … patches − 2 unless told. samples: sets drawn for each; the same
    seed gives the same sets. Raises ValueError for a pair or an order that there is not.
    """
    i, j = pair
    orders = range(patches - 1) if orders is None else orders
    if i == j or not (0 <= i < patches and 0 <= j < patches):
        raise ValueError(f"pair is {pair}, but two different patches of 0..{patches - 1} are wanted")
    if wrong := [m for m in orders if not 0 <= m <= patches - 2]:
        raise ValueError(f"order {wrong[0]} is asked, but {patches - 2} other patches are there: take 0..{patches - 2}")
    others = torch.tensor([n for n in range(patches) if n not in pair], dtype=torch.long)
    generator, found = seeded(seed), []
    for m in orders:
        sets = torch.zeros(samples, patches, dtype=torch.bool)
        for row in sets:
            row[others[torch.randperm(patches - 2, generator=generator)[:m]]] = True
        with_i, with_j, both = sets.clone(), sets.clone(), sets.clone()
        with_i[:, i] = with_j[:, j] = True
        both[:, [i, j]] = True
        f = score(torch.cat([both, with_i, with_j, sets])).reshape(4, samples)
        found.append((f[0] - f[1] - f[2] + f[3]).mean())
    return torch.stack(found)


def strengths(values: Tensor) -> Tensor:
    """J⁽ᵐ⁾ (pairs, orders) → (orders,): mean |I⁽ᵐ⁾| over pairs and pictures, divided by its mean over the orders."""
    mean = values.abs().mean(0)
    return mean / mean.mean().clamp_min(torch.finfo(mean.dtype).tiny)
