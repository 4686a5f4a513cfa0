"""Joined: several targets at once, side by side in a row (FG-MAE, Wang et al., IEEE JSTARS 2024, arXiv 2310.18653)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...core import Mask


@dataclass(frozen=True)
class Joined:
    """target(images, mask) → (B, N, D) of all `targets`, each of `widths` numbers; `losses.OfScales` weighs them part by part."""

    targets: tuple[Any, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(each.width for each in self.targets)

    @property
    def width(self) -> int:
        return sum(self.widths)

    def __call__(self, images: Float[Tensor, "B C H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        return torch.cat([each(images, mask) for each in self.targets], dim=-1)

    def parts(self, rows: Float[Tensor, "B N D"]) -> tuple[Tensor, ...]:
        """(B, N, width) of each target."""
        return rows.split(self.widths, dim=-1)

    def draw(self, rows: Float[Tensor, "B N D"], *, like: Tensor | None = None) -> Float[Tensor, "B H W 3"]:
        """The mean of what each of them draws, at the size of the finest."""
        likes = [None] * len(self.targets) if like is None else self.parts(like)
        drawn = [t.draw(part, like=l) for t, part, l in zip(self.targets, self.parts(rows), likes, strict=True)]
        size = max(each.shape[1] for each in drawn), max(each.shape[2] for each in drawn)
        return (
            torch.stack([F.interpolate(each.permute(0, 3, 1, 2), size) for each in drawn]).mean(0).permute(0, 2, 3, 1)
        )
