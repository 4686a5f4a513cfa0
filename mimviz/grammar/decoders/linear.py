"""One linear layer from each token to its patch (SimMIM, Xie et al., CVPR 2022, section 3.3)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask


class Linear(nn.Module):
    """decoder(seen, mask): tokens (B, prefix + N, width) → guesses (B, N, out)."""

    def __init__(self, width: int, out: int, *, prefix: int):
        super().__init__()
        self.prefix = prefix
        self.head = nn.Linear(width, out)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        patches = seen[:, self.prefix :]
        if patches.shape[1] != (count := mask.hidden.shape[1]):
            raise ValueError(
                f"the encoder hands on {patches.shape[1]} of {count} patches, but a linear decoder guesses only where there is a "
                "token: keep all patches, e.g. how=MaskToken(...), or take decoder=Transformer(...)"
            )
        return self.head(patches)
