"""One linear layer at each visible token (UTA, Liu et al., TMLR 2024, arXiv 2405.19009; MR-MAE, Gao et al., arXiv 2303.05475)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask


class Visible(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + K, width) of the K visible patches → guesses (B, K, out) for these alone.

    Its rows are the patches `mask.keep_ids`; `head` is the layer, for other tokens.
    """

    def __init__(self, width: int, out: int, *, prefix: int):
        super().__init__()
        self.prefix = prefix
        self.head = nn.Linear(width, out)

    def forward(self, seen: Float[Tensor, "B T C"], mask: Mask) -> Float[Tensor, "B K D"]:
        return self.head(seen[:, self.prefix :])
