"""Fill: one colour in the place of hidden pixels (zeros: SparK, ICLR 2023; the mean colour: A²MIM, Li et al., ICML 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ...core import Mask


@dataclass(frozen=True)
class Fill:
    """content (B, N, patch² · 3), the pixels of each patch → the same with one colour in the hidden rows; every patch is encoded.

    colour: "zero", the mean of the training pictures where these are normalized, or "mean", that of this picture's visible pixels.
    """

    colour: Literal["zero", "mean"] = "zero"

    def __post_init__(self):
        if self.colour not in ("zero", "mean"):
            raise ValueError(f"colour is {self.colour!r}, but 'zero' or 'mean' is wanted")

    def __call__(self, content: Float[Tensor, "B N D"], mask: Mask) -> tuple[Float[Tensor, "B N D"], None]:
        hidden = mask.hidden[..., None]
        seen = content.masked_fill(hidden, 0)  # a hidden value never enters, not even times zero
        if self.colour == "zero":
            return seen, None
        share = (~hidden).sum(1, keepdim=True).clamp(min=1) * (content.shape[-1] // 3)  # pixels
        mean = seen.unflatten(-1, (-1, 3)).sum((1, 2))[:, None] / share  # (B, 1, 3)
        return seen.where(~hidden, mean.repeat(1, 1, content.shape[-1] // 3)), None
