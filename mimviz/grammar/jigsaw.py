"""A picture put together again from guesses of where its patches lie."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..core import Grid

NEVER = -1e9


def seats(logs: Float[Tensor, "B N N"]) -> Int[Tensor, "B N"]:
    """A place of its own for every patch, so that their log-probabilities have the largest sum (Hungarian assignment).

    logs[b, patch, place]; a patch whose row is NaN was not asked and gets −1, the places of the others need not be filled.
    """
    found = torch.full(logs.shape[:2], -1)
    for b, table in enumerate(logs.detach().float().cpu()):
        asked = (~table.isnan().any(-1)).nonzero()[:, 0]
        rows, places = linear_sum_assignment(-table[asked].nan_to_num(neginf=NEVER).numpy())
        found[b, asked[rows]] = torch.from_numpy(places)
    return found.to(logs.device)


def assembled(images: Float[Tensor, "B C H W"], places: Int[Tensor, "B N"], grid: Grid) -> Float[Tensor, "B C H W"]:
    """The pictures with every patch on its seat, 0 where nobody sits."""
    patches = grid.patchify(images)
    empty = patches.new_zeros(len(patches), grid.count + 1, patches.shape[-1])
    at = torch.where(places < 0, grid.count, places)  # those without a seat leave with the last row
    return grid.unpatchify(empty.scatter(1, at[..., None].expand_as(patches), patches)[:, :-1])
