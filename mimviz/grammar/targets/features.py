"""Features: what a teacher makes of the whole picture (data2vec, Baevski et al., ICML 2022, section 3.3, arXiv 2202.03555)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ...core import Mask
from ...discover.pca import principal
from ..teacher import Teacher

Norm = Literal["none", "layer", "patch", "l2", "instance"]


@dataclass(frozen=True)
class Features:
    """target(images, mask) → (B, N, width), without a gradient.

    top: 0 takes what comes out behind the teacher's last norm; k ≥ 1 the mean of what its last k blocks put out.
    each: norm of every block's features before the mean; whole: norm of the mean. See `normed`.
    """

    teacher: Teacher = field(repr=False)
    top: int = 0
    each: Norm = "none"
    whole: Norm = "layer"

    def __post_init__(self):
        blocks = len(self.teacher.encoder.anatomy.blocks)
        if not 0 <= self.top <= blocks:
            raise ValueError(f"top is {self.top}, but the teacher has {blocks} blocks: take 0..{blocks}")
        if wrong := {self.each, self.whole} - {*get_args(Norm)}:
            raise ValueError(f"norm is {wrong.pop()!r}, but one of {', '.join(map(repr, get_args(Norm)))} is wanted")

    @property
    def width(self) -> int:
        return self.teacher.width

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N D"]:
        return self.joined([each[:, -self.teacher.grid.count :] for each in self._found(images)])

    def both(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B D"] | None, Float[Tensor, "B N D"]]:
        """Features of the class token (None of a teacher without one) and of the patches, from one pass; not for "instance"."""
        found, N = self._found(images), self.teacher.grid.count
        whole = self.joined([each[:, :1] for each in found])[:, 0] if self.teacher.encoder.anatomy.class_tokens else None
        return whole, self.joined([each[:, -N:] for each in found])

    def joined(self, layers: list[Tensor]) -> Tensor:
        """The features of all blocks, (B, T, width) each, as one."""
        rows = [normed(each, self.each) for each in layers]
        return normed(sum(rows[1:], rows[0]) / len(rows), self.whole)

    def draw(self, rows: Float[Tensor, "B N D"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """The first three principal components of `like` (of the rows themselves unless told) as red, green and blue."""
        return colours(rows, like).unflatten(1, self.teacher.grid.shape)

    def _found(self, images: Tensor) -> list[Tensor]:
        """(B, prefix + N, width) of each block that is asked, or behind the last norm."""
        return self.teacher.layers(images, range(-self.top, 0), prefix=True) if self.top else [self.teacher(images)]


def normed(x: Float[Tensor, "B N D"], norm: Norm) -> Float[Tensor, "B N D"]:
    """Rows without their scale, by no weights.

    layer: mean 0 and variance 1 over the channels of a patch; patch: the same as MAE does it, with the unbiased variance and 1e-6
    under the root; l2: length 1; instance: over the patches of each channel.
    """
    if norm == "layer":
        return F.layer_norm(x, x.shape[-1:])
    if norm == "patch":
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt()
    if norm == "l2":
        return F.normalize(x, dim=-1)
    if norm == "instance":
        return F.instance_norm(x.transpose(1, 2)).transpose(1, 2)
    return x


def colours(rows: Float[Tensor, "B N D"], like: Tensor | None = None) -> Float[Tensor, "B N 3"]:
    """Three principal components of all rows of `like` in 0..1, from its 1st to its 99th percentile; further out is clipped."""
    base = (rows if like is None else like).detach().float().flatten(0, 1)
    axes, mean, _ = principal(base, min(3, *base.shape))
    fitted, shown = (((each.detach().float() - mean) @ axes.T) for each in (base, rows))
    low, high = fitted.quantile(0.01, dim=0), fitted.quantile(0.99, dim=0)
    shown = ((shown - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    return F.pad(shown, (0, 3 - shown.shape[-1]))
