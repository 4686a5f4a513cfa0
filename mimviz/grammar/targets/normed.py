"""Normed: what any target says, without its scale (the normalization of MaskDistill's unified view, Peng et al., TMLR 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ...core import Mask
from .features import Norm, normed


@dataclass(frozen=True)
class Normed:
    """target(images, mask) → (B, N, D): the rows of another target, normed one by one; see `features.normed`."""

    target: Any
    norm: Norm = "layer"

    @property
    def width(self) -> int:
        return self.target.width

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        return normed(self.target(images, mask), self.norm)
