"""Channel-wise fully connected, then doublings up to pixels (Context Encoders, Pathak et al., CVPR 2016, section 3.1)."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Grid, Mask


class ChannelWise(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + N, width) → guesses (B, N, patch² · 3).

    Each channel has its own N × N matrix, which carries what is known to where nothing is: width · N² weights. A 1 × 1 convolution
    mixes the channels, and each doubling of the size halves `dim`, down to pixels.
    """

    def __init__(self, width: int, grid: Grid, *, prefix: int, dim: int = 512):
        super().__init__()
        steps = grid.patch.bit_length() - 1
        if 2**steps != grid.patch or dim % 2**steps:
            raise ValueError(f"patches of {grid.patch} pixels and dim {dim} cannot be halved down to pixels")
        self.grid, self.prefix = grid, prefix
        self.spread = nn.Parameter(torch.empty(width, grid.count, grid.count))
        nn.init.normal_(self.spread, std=grid.count**-0.5)
        self.mix = nn.Conv2d(width, dim, 1)
        dims = [dim // 2**i for i in range(steps + 1)]
        self.doublings = nn.Sequential(*(_doubling(*pair) for pair in pairwise(dims)))
        self.head = nn.Conv2d(dims[-1], 3, 3, padding=1)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        x = self.everywhere(seen[:, self.prefix :]).transpose(1, 2).unflatten(2, self.grid.shape)
        return self.grid.patchify(self.head(self.doublings(self.mix(x))))

    def everywhere(self, x: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        """Each channel by its own matrix: nothing goes from one channel to another."""
        return torch.einsum("bnc,cmn->bmc", x, self.spread)


def _doubling(dim: int, out: int) -> nn.Sequential:
    up = nn.ConvTranspose2d(dim, out, 4, stride=2, padding=1)
    return nn.Sequential(up, nn.BatchNorm2d(out), nn.ReLU())
