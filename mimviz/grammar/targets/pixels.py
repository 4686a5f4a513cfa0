"""Pixels as the target, plain or normalized per patch (MAE, He et al., CVPR 2022, section 3, "norm_pix_loss")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ...core import Grid, Mask

Statistics = Literal["visible", "true"]
EPS = 1e-6


@dataclass(frozen=True)
class Pixels:
    """target(images, mask) → (B, N, patch² · 3).

    normalize: each patch minus its mean, over √(var + 1e-6); over all patch² · 3 values, unbiased, as facebookresearch/mae and
    Hugging Face do. Such a guess is no picture: `pixels` needs a mean and a spread for every hidden patch, and taking the true
    ones would tell the viewer what the model never knew.
    """

    grid: Grid
    normalize: bool = True

    @property
    def width(self) -> int:
        return self.grid.patch**2 * 3

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        patches = self.grid.patchify(images)
        if not self.normalize:
            return patches
        mean, std = _statistics(patches)
        return (patches - mean) / std

    def pixels(
        self,
        guess: Float[Tensor, "B N D"],
        images: Float[Tensor, "B 3 H W"],
        mask: Mask,
        *,
        statistics: Statistics = "visible",
    ) -> Float[Tensor, "B N D"]:
        """The guess (B, N, D) on the scale of the images. "visible" never reads a hidden pixel; "true" leaks, see `leaks`."""
        if not self.normalize:
            return guess
        mean, std = _statistics(self.grid.patchify(images))
        if statistics == "visible":
            mean, std = (self._from_visible(x, mask) for x in (mean, std))
        return guess * std + mean

    def leaks(self, statistics: Statistics) -> bool:
        return self.normalize and statistics == "true"

    def note(self, statistics: Statistics) -> str:
        if not self.normalize:
            return ""
        if statistics == "true":
            return "mean and spread of each hidden patch are the true ones: this picture uses the hidden pixels"
        return "mean and spread of each hidden patch are estimated from the visible patches around it (inverse distance, cubed)"

    def _from_visible(self, values: Tensor, mask: Mask) -> Tensor:
        """(B, N, 1): values of visible patches as they are; hidden ones by Shepard's inverse-distance weights (1968), power 3."""
        rows, cols = self.grid.shape
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
        exact = values.float() if values.element_size() < 4 else values  # half precision cannot weigh distances
        at = torch.stack([y, x], dim=-1).reshape(-1, 2).to(exact)
        near = (at[:, None] - at).norm(dim=-1).clamp(min=0.5).pow(-3)  # (N, N)
        weights = near * ~mask.hidden[:, None]  # (B, N, N): columns of hidden patches are zero
        total = weights.sum(-1, keepdim=True).clamp(min=torch.finfo(exact.dtype).tiny)
        known = exact.masked_fill(mask.hidden[..., None], 0)  # a hidden value never enters, not even times zero
        return torch.where(mask.hidden[..., None], weights @ known / total, known).to(values.dtype)


def _statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    return patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + EPS).sqrt()
