"""A transformer that predicts some hidden patches at a time (I-JEPA, Assran et al., CVPR 2023, section 3, arXiv 2301.08243)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...core import Mask
from .transformer import Transformer


class Predictor(Transformer):
    """decoder(seen, mask) is `Transformer`'s; `some(seen, mask, ids)` puts mask tokens at the patches `ids` (B, K) alone."""

    def some(self, seen: Float[Tensor, "B T C"], mask: Mask, ids: Int[Tensor, "B K"]) -> Float[Tensor, "B K D"]:
        """Guesses (B, K, out), from what is seen and from nothing else."""
        x, P = self.embed(seen), self.prefix
        table = self.positions.expand(len(x), -1, -1)
        at = [each[..., None].expand(-1, -1, x.shape[-1]) for each in (mask.keep_ids + P, ids + P)]
        front, seen_at, asked = table[:, :P], table.gather(1, at[0]), table.gather(1, at[1])
        x = torch.cat([x + torch.cat([front, seen_at], dim=1), self.token.to(x.dtype) + asked], dim=1)
        return self.head(self.norm(self.blocks(x)))[:, -ids.shape[1] :]
