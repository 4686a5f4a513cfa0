"""A few layers at each token by itself (GMML, Atito et al., arXiv 2205.14986: a light head before the transposed convolution)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask
from .linear import Linear


class Pointwise(Linear):
    """decoder(seen, mask): tokens (B, prefix + N, width) → guesses (B, N, out), through `depth` layers with GELU and a last one."""

    def __init__(self, width: int, out: int, *, prefix: int, depth: int = 3):
        super().__init__(width, out, prefix=prefix)
        self.layers = nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(width, width), nn.GELU())))

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        return super().forward(self.layers(seen), mask)
