"""Morphed features: tokens of a teacher that are alike become one (DTM, Kim, Heo, Han, ICLR 2025, section 3, arXiv 2401.00254).

Who joins whom is bipartite matching (Bolya et al., Token Merging, ICLR 2023, arXiv 2210.09461): in each round tokens of even number
look for their nearest of odd number, and the closest pairs become their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ...core import Mask
from .features import Features, Norm


@dataclass(frozen=True)
class Morphed(Features):
    """target(images, mask) → (B, N, width) as they are; `groups` says which of them are alike.

    share: the most merges that `draw_schedule` draws, as a share of all patches; rounds: the most rounds.
    """

    whole: Norm = "none"
    share: float = 1.0
    rounds: int = 14

    def groups(
        self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None, *, merges: int | None = None, rounds: int = 7
    ) -> Int[Tensor, "B N"]:
        """The number of the group of each patch after so many merges, half of all patches unless told; the mask says nothing."""
        return morphed(self(images, mask), self.teacher.grid.count // 2 if merges is None else merges, rounds)

    def schedule(self, generator: Generator | None = None) -> tuple[int, int]:
        """Merges from 0 to `share` of the patches, and rounds from 1 to `rounds`, both drawn evenly."""
        most = int(self.share * self.teacher.grid.count)
        merges, rounds = (
            torch.randint(low, high + 1, (), generator=generator) for low, high in ((0, most), (1, self.rounds))
        )
        return int(merges), int(rounds)


def morphed(tokens: Float[Tensor, "B N D"], merges: int, rounds: int) -> Int[Tensor, "B N"]:
    """The number of the group of each token, 0..N − merges − 1 or so: ⌈merges / rounds⌉ merge in each round, at most half of them.

    ⌊merges / rounds⌋ where that would be more than there are tokens, as the authors' code does. Raises ValueError for a negative
    number of merges, or no round.
    """
    B, N, _ = tokens.shape
    if merges < 0 or rounds < 1:
        raise ValueError(
            f"merges is {merges} and rounds {rounds}, but 0 or more merges in at least one round are wanted"
        )
    each = math.ceil(merges / rounds)
    each = merges // rounds if each * rounds > N else each
    groups, means = torch.arange(N, device=tokens.device).expand(B, -1), tokens.detach().float()
    for _ in range(rounds):
        if (taken := min(each, means.shape[1] // 2)) < 1:
            break
        groups = _joined(means, taken).gather(1, groups)
        means = group_means(tokens.detach().float(), groups)[1]
    return groups


def group_means(rows: Float[Tensor, "B N D"], groups: Int[Tensor, "B N"]) -> tuple[Tensor, Tensor]:
    """The mean of its group in the place of every row (B, N, D), and the means themselves (B, groups, D)."""
    at = groups[..., None].expand_as(rows)
    count = int(groups.max()) + 1
    sums = rows.new_zeros(len(rows), count, rows.shape[-1]).scatter_add(1, at, rows)
    means = sums / F.one_hot(groups, count).sum(1).to(rows.dtype)[..., None]
    return means.gather(1, at), means


def _joined(tokens: Tensor, taken: int) -> Tensor:
    """(B, n): the new number of each token when the `taken` closest pairs of an even and an odd one become one."""
    unit = F.normalize(tokens, dim=-1)
    best, mate = (unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)).max(-1)  # (B, evens)
    order = best.argsort(dim=-1, descending=True, stable=True)
    merged, left = order[:, :taken], order[:, taken:].sort(-1).values
    fresh = torch.empty(tokens.shape[:2], dtype=torch.long, device=tokens.device)
    fresh[:, 1::2] = left.shape[1] + torch.arange(fresh[:, 1::2].shape[1], device=tokens.device)
    fresh.scatter_(1, 2 * left, torch.arange(left.shape[1], device=tokens.device).expand_as(left))
    return fresh.scatter(1, 2 * merged, left.shape[1] + mate.gather(1, merged))
