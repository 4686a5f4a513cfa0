"""Drop: the encoder sees the visible patches only (He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ...core import Mask


@dataclass(frozen=True)
class Drop:
    """content (B, N, C) → the visible rows (B, K, C) and their numbers (B, K)."""

    def __call__(
        self, content: Float[Tensor, "B N C"], mask: Mask
    ) -> tuple[Float[Tensor, "B K C"], Int[Tensor, "B K"]]:
        ids = mask.keep_ids
        return content.gather(1, ids[..., None].expand(-1, -1, content.shape[-1])), ids
