"""A light decoder of several scales, as in a U-Net (SparK, Tian et al., ICLR 2023, section 3.2, arXiv 2301.03580)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from ...cnn import enlarged, on_cells
from ...core import Grid, Mask


class Light(nn.Module):
    """decoder(maps, mask): maps (B, C, rows, cols) of visible cells at several scales, finest first → guesses (B, N, patch² · 3).

    At each scale a learned token fills the hidden cells ("densify"), a convolution brings the map to the decoder's width, and it
    is added to what the coarser scales have become. Each doubling of the size halves the width, down to pixels.
    """

    def __init__(
        self, widths: Sequence[int], grids: Sequence[Grid], *, dim: int = 768, norm: Literal["batch", "layer"] = "batch"
    ):
        super().__init__()
        self.grid = grids[-1]
        steps = self.grid.patch.bit_length() - 1
        if 2**steps != self.grid.patch or dim % 2**steps:
            raise ValueError(f"patches of {self.grid.patch} pixels and dim {dim} cannot be halved down to pixels")
        self.at = [
            (self.grid.patch // grid.patch).bit_length() - 1 for grid in grids
        ]  # which doubling each scale enters
        dims = [dim // 2**i for i in range(steps + 1)]
        made = nn.BatchNorm2d if norm == "batch" else LayerNorm2d
        self.tokens = nn.ParameterList(
            nn.init.trunc_normal_(nn.Parameter(torch.zeros(1, each, 1, 1)), std=0.02) for each in widths
        )
        self.norms = nn.ModuleList(made(width) for width in widths)
        self.projections = nn.ModuleList(
            _projection(width, dims[i], first=i == 0) for width, i in zip(widths, self.at, strict=True)
        )
        self.doublings = nn.ModuleList(_doubling(*pair) for pair in pairwise(dims))
        self.head = nn.Conv2d(dims[-1], 3, 1)
        self.apply(_init)

    def forward(self, maps: Sequence[Tensor], mask: Mask) -> Float[Tensor, "B N D"]:
        visible = ~mask.hidden.unflatten(1, self.grid.shape)
        filled = {}
        for i, x, token, norm, project in zip(self.at, maps, self.tokens, self.norms, self.projections, strict=True):
            filled[i] = project(on_cells(norm, x, visible).where(enlarged(visible, x), token.to(x.dtype)))
        x = filled[0]
        for i, double in enumerate(self.doublings):
            x = double(x if i == 0 else x + filled.get(i, 0))
        return self.grid.patchify(self.head(x))


def _projection(width: int, dim: int, *, first: bool) -> nn.Module:
    if first:
        return nn.Identity() if width == dim else nn.Conv2d(width, dim, 1)
    return nn.Conv2d(width, dim, 3, padding=1)


def _doubling(dim: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1),
        nn.Conv2d(dim, dim, 3, padding=1, bias=False),
        nn.BatchNorm2d(dim),
        nn.ReLU6(),
        nn.Conv2d(dim, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
    )


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
        nn.init.zeros_(module.bias)
