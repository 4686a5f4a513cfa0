"""Scores of prototypes, for tokens (DINO, Caron et al., ICCV 2021, section 3; iBOT, Zhou et al., ICLR 2022: for patches too)."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ...core import Mask


class Prototypes(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + N, width) → scores (B, N, count), over the temperature.

    `scores` are cosines between what `depth` layers make of any tokens and `count` learned directions.
    """

    def __init__(
        self,
        width: int,
        count: int,
        *,
        prefix: int,
        hidden: int = 512,
        dim: int = 64,
        depth: int = 2,
        temperature: float = 0.1,
    ):
        super().__init__()
        self.prefix, self.temperature = prefix, temperature
        sizes = pairwise([width, *[hidden] * (depth - 1), dim])
        self.layers = nn.Sequential(*[part for a, b in sizes for part in (nn.Linear(a, b), nn.GELU())])[:-1]
        self.directions = nn.Linear(dim, count, bias=False)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def scores(self, tokens: Float[Tensor, "*B C"]) -> Float[Tensor, "*B K"]:
        """Cosines, −1..1."""
        return self.cosines(self.layers(tokens))

    def cosines(self, made: Float[Tensor, "*B D"]) -> Float[Tensor, "*B K"]:
        """The same of what layers, these or others, have made."""
        return F.linear(F.normalize(made, dim=-1), F.normalize(self.directions.weight, dim=-1))

    def forward(self, seen: Float[Tensor, "B T C"], mask: Mask) -> Float[Tensor, "B N K"]:
        return self.scores(seen[:, self.prefix :]) / self.temperature
