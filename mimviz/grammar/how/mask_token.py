"""MaskToken: a learned token stands in for hidden patches (Xie et al., SimMIM, CVPR 2022; Bao et al., BEiT, ICLR 2022)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask


class MaskToken(nn.Module):
    """content (B, N, C) → (B, N, C) with the learned token in the hidden rows, before positions; every patch is encoded."""

    def __init__(self, width: int):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, content: Float[Tensor, "B N C"], mask: Mask) -> tuple[Float[Tensor, "B N C"], None]:
        return torch.where(mask.hidden[..., None], self.token.to(content.dtype), content), None
