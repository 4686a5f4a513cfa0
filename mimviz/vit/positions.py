"""Fixed sine-cosine positions in two dimensions, as MAE uses them (He et al., CVPR 2022, appendix A.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import Grid


def sincos(grid: Grid, dim: int, *, prefix: int = 0) -> Float[Tensor, "1 {prefix+grid.count} {dim}"]:
    """(1, prefix + N, dim): half of the channels speak of the column, half of the row; prefix tokens get zeros."""
    if dim % 4:
        raise ValueError(
            f"width {dim} does not divide by 4, which sine and cosine of two axes need: choose {dim // 4 * 4}"
        )
    omega = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    y, x = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.cols), indexing="ij")
    waves = [at.reshape(-1, 1).double() * omega for at in (x, y)]  # (N, dim / 4) each
    table = torch.cat([f(w) for w in waves for f in (torch.sin, torch.cos)], dim=1).float()
    return torch.cat([torch.zeros(prefix, dim), table])[None]
