"""The grid of patches: the only place that maps pixels to patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Shaped
from torch import Tensor

if TYPE_CHECKING:
    from .mask import Mask


@dataclass(frozen=True)
class Grid:
    """`rows × cols` square patches of `patch` pixels. Patches are numbered row by row: patch (r, c) is r · cols + c."""

    rows: int
    cols: int
    patch: int

    def __post_init__(self):
        for name in ("rows", "cols", "patch"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Grid {name} is {value!r}, but it must be a whole number of at least 1")

    @classmethod
    def of(cls, height: int, width: int, patch: int) -> Grid:
        """The grid of a picture of `height × width` pixels; raises ValueError where the patch does not divide it."""
        if height % patch or width % patch:
            raise ValueError(
                f"a picture of {height} x {width} pixels does not divide into patches of {patch}: "
                f"crop or resize it to {max(height // patch, 1) * patch} x {max(width // patch, 1) * patch}"
            )
        return cls(height // patch, width // patch, patch)

    @property
    def count(self) -> int:
        """Number of patches N."""
        return self.rows * self.cols

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.cols

    @property
    def height(self) -> int:
        """Pixels."""
        return self.rows * self.patch

    @property
    def width(self) -> int:
        """Pixels."""
        return self.cols * self.patch

    def patchify(self, images: Shaped[Tensor, "B C H W"]) -> Shaped[Tensor, "B N D"]:
        """(B, C, height, width) → (B, N, patch² · C), channel last within a patch, as MAE orders it (`nchpwq->nhwpqc`)."""
        B, C, H, W = images.shape
        if (self.height, self.width) != (H, W):
            raise ValueError(
                f"pictures are {H} x {W} pixels, but this grid covers {self.height} x {self.width} "
                f"({self.rows} x {self.cols} patches of {self.patch}): fit them first, e.g. picture.fit(height, width)"
            )
        p = self.patch
        x = images.reshape(B, C, self.rows, p, self.cols, p)
        return x.permute(0, 2, 4, 3, 5, 1).reshape(B, self.count, p * p * C)  # (B, N, p·p·C)

    def unpatchify(self, patches: Shaped[Tensor, "B N D"]) -> Shaped[Tensor, "B C H W"]:
        """(B, N, patch² · C) → (B, C, height, width); the inverse of `patchify`."""
        B, N, D = patches.shape
        p = self.patch
        if self.count != N or D % (p * p):
            raise ValueError(f"patches are {N} x {D}, but this grid wants {self.count} x (channels · {p * p})")
        x = patches.reshape(B, self.rows, self.cols, p, p, D // (p * p))
        return x.permute(0, 5, 1, 3, 2, 4).reshape(B, -1, self.height, self.width)

    def check(self, mask: Mask) -> Mask:
        """The mask with this grid's shape; raises ValueError where it was made for another grid."""
        rows, cols = mask.shape or (None, None)
        if mask.hidden.shape[1] != self.count or (rows is not None and mask.shape != self.shape):
            has = f"{rows} x {cols}" if rows is not None else f"{mask.hidden.shape[1]}"
            raise ValueError(
                f"mask has {has} patches, but this model's grid is {self.rows} x {self.cols}: "
                "it was made for another model. Make one with Mask.random(model.grid)"
            )
        return mask if rows is not None else mask.shaped(self.shape)
