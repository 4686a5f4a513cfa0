"""Patches cut with room between them, so that none is told by its neighbour's edge (Latent MIM, Wei et al., ECCV 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from ...core import Grid


def gapped(
    images: Float[Tensor, "B 3 H W"], grid: Grid, gap: int, *, generator: Generator | None = None
) -> Float[Tensor, "B 3 H W"]:
    """Pictures of the same size whose patches lie somewhere in cells that are `gap` pixels wider; what is between is left out.

    The pictures are enlarged to the size of all cells first (bicubic); a patch begins 0..gap − 1 pixels from its cell's corner.
    """
    if tuple(images.shape[2:]) != (grid.height, grid.width):
        raise ValueError(f"pictures have shape {tuple(images.shape)}, but (B, 3, {grid.height}, {grid.width}) is wanted")
    if gap < 1:
        return images
    cell, p = grid.patch + gap, grid.patch
    large = F.interpolate(images, (grid.rows * cell, grid.cols * cell), mode="bicubic", align_corners=False)
    cells = large.unflatten(2, (grid.rows, cell)).unflatten(4, (grid.cols, cell))  # (B, 3, rows, cell, cols, cell)
    cells = cells.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, N, 3, cell, cell)
    at = torch.randint(gap, (2, *cells.shape[:2], 1), generator=generator).to(images.device) + torch.arange(
        p, device=images.device
    )
    rows = cells.gather(3, at[0][:, :, None, :, None].expand(-1, -1, 3, -1, cell))
    patches = rows.gather(4, at[1][:, :, None, None].expand(-1, -1, 3, p, -1))  # (B, N, 3, p, p)
    return grid.unpatchify(patches.permute(0, 1, 3, 4, 2).flatten(2))
