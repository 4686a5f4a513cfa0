"""The decoder of MAE behind an encoder that keeps every patch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Mask
from .transformer import Transformer


class Whole(Transformer):
    """decoder(seen, mask): tokens (B, prefix + N, width) → guesses (B, N, out); hidden ones give way to the mask token."""

    def placed(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B T D"]:
        x = self.embed(seen)
        patches = torch.where(mask.hidden[..., None], self.token.to(x.dtype), x[:, self.prefix :])
        return torch.cat([x[:, : self.prefix], patches], dim=1) + self.positions
