"""CRATE's decoder: the inverse layers, over all tokens (CRATE-MAE, Pai et al., ICLR 2024, arXiv 2404.02446)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask
from ...vit.crate import Expanding, initialize


class WhiteBox(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + N, width) of an encoder of all patches → guesses (B, N, out)."""

    def __init__(self, width: int, out: int, *, prefix: int, depth: int = 12, heads: int = 6):
        super().__init__()
        self.prefix = prefix
        self.blocks = nn.Sequential(*(Expanding(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, out)
        self.apply(initialize)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        return self.head(self.norm(self.blocks(seen)))[:, self.prefix :]
