"""Mix: other pictures of the batch show in the hidden places (MixedAE, Chen et al., CVPR 2023, section 3.1, arXiv 2303.17152)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...core import Mask


@dataclass(frozen=True)
class Mix:
    """content (B, N, C) → (B, N, C) in which a hidden patch is that of the next picture of its `group` in which it is visible.

    Where it is visible in none, the row is zero: nothing that is hidden anywhere is ever shown. `owners` says whose each patch is.
    """

    group: int = 4

    def __call__(self, content: Float[Tensor, "B N C"], mask: Mask) -> tuple[Float[Tensor, "B N C"], None]:
        owners = self.owners(mask)
        rows = content.gather(0, owners.clamp(min=0)[..., None].expand(-1, -1, content.shape[-1]))
        return rows.masked_fill((owners < 0)[..., None], 0), None

    def owners(self, mask: Mask) -> Int[Tensor, "B N"]:
        """Number in the batch of the picture that shows in each place; −1 for none."""
        B, N = mask.hidden.shape
        each = torch.arange(B, device=mask.hidden.device)
        first = each // self.group * self.group
        owners = torch.full((B, N), -1, device=mask.hidden.device)
        for step in reversed(range(self.group)):  # the picture itself comes last, and so wins
            mate = first + (each - first + step) % self.group
            there = (mate < B)[:, None] & ~mask.hidden[mate.clamp(max=B - 1)]
            owners = torch.where(there, mate[:, None], owners)
        return owners
