"""A small transformer over the tokens that there are, which is told of no position (DropPos, Wang et al., NeurIPS 2023)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask
from .transformer import Transformer


class Unplaced(Transformer):
    """decoder(seen, mask): tokens (B, prefix + K, width) → guesses (B, K, out), of the visible patches in their order."""

    def __init__(
        self, width: int, out: int, grid: Grid, *, prefix: int, dim: int = 512, depth: int = 2, heads: int | None = None
    ):
        super().__init__(width, out, grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
        del self.token, self.positions

    def placed(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B T D"]:
        return self.embed(seen)
