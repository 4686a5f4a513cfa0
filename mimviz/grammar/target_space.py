"""The space of a target: which patches of which pictures it calls alike, and what it sees of them.

Nearest neighbours in a target's space are how BEiT v2 (Peng et al., arXiv 2208.06366, figure 3) and CAPI (Darcet et al., arXiv
2502.08769) show what their targets mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..core import Grid, Heatmap, Mask
from .draw import drawn
from .seeing import Sees, seeing


@dataclass(frozen=True)
class Neighbour:
    """A patch of one of the pictures, and the cosine to the patch that was asked about, −1..1."""

    picture: int
    patch: int
    similarity: float


@dataclass(frozen=True, eq=False)
class TargetSpace:
    """`rows` (B, N, D): what a target says of each patch of `images` (B, 3, H, W), RGB in 0..1.

    Alike means a high cosine, after the common mean of all rows is taken off; codes are alike where they are the same.
    """

    name: str
    rows: Float[Tensor, "B N D"]
    images: Float[Tensor, "B 3 H W"]
    grid: Grid
    target: Any = None
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """With which the pictures were normalized for the target."""
    codes: bool = False
    """Whether the target gives whole numbers, which are one-hot rows here."""

    @cached_property
    def unit(self) -> Float[Tensor, "B N D"]:
        """The rows without their common mean, of length 1 (or 0)."""
        return F.normalize(self.rows - self.rows.mean((0, 1)), dim=-1)

    def similar(self, picture: int, patch: int) -> Heatmap:
        """(B, rows, cols), −1..1: cosine of every patch of every picture to one. IndexError for a patch that there is not."""
        B, N = self.rows.shape[:2]
        if not (0 <= picture < B and 0 <= patch < N):
            raise IndexError(
                f"patch {patch} of picture {picture} is asked for, but there are {B} pictures of {N} patches, from 0"
            )
        cosine = (self.unit @ self.unit[picture, patch]).clamp(-1, 1)
        return Heatmap(cosine.unflatten(1, self.grid.shape), by=f"cosine in the space of {self.name}", signed=True)

    def nearest(self, picture: int, patch: int, *, count: int = 8) -> list[Neighbour]:
        """The most alike, the asked patch itself left out; equals in the order of their pictures and patches."""
        cosine = self.similar(picture, patch).values.flatten().clone()
        cosine[picture * self.grid.count + patch] = -torch.inf
        order = cosine.argsort(descending=True, stable=True)[: min(count, len(cosine) - 1)]
        return [Neighbour(int(i) // self.grid.count, int(i) % self.grid.count, float(cosine[i])) for i in order]

    def picture(self, index: int) -> Float[Tensor, "H W 3"]:
        """What is to be predicted of one picture, drawn: RGB in 0..1. Fitted colours are those of all pictures together; of patches
        that were normalized, black is −3 and white +3."""
        rows = self.rows.argmax(-1, keepdim=True) if self.codes else self.rows
        if hasattr(self.target, "pixels") and rows.shape[-1] == 3 * self.grid.patch**2:
            shown = self.grid.unpatchify(rows[index : index + 1])[0].permute(1, 2, 0)
            if getattr(self.target, "normalize", False):
                return (0.5 + shown / 6).clamp(0, 1)
            return (shown * torch.tensor(self.std) + torch.tensor(self.mean)).clamp(0, 1)
        return drawn(self.target, rows[index : index + 1], self.grid, like=rows.flatten(0, 1)[None])[0].clamp(0, 1)

    def sees(self, regions: np.ndarray | None = None) -> Sees:
        """What it sees of edges, colour and parts, measured; see `mimviz.grammar.seeing`."""
        return seeing(self.rows, self.unit, self.images, self.grid, regions)

    def plot(self, picture: int = 0, patch: int = 0):
        """A matplotlib figure: what is alike, and the nearest patches; see `mimviz.plot.show_target_spaces`."""
        from ..plot import show_target_spaces

        return show_target_spaces([self], picture, patch)


def target_space(
    target: Any, images: Float[Tensor, "B 3 H W"], grid: Grid, *, encoder: Any, name: str = ""
) -> TargetSpace:
    """`target(images, mask)` of normalized pictures (B, 3, height, width); `encoder` says how they were normalized.

    Whole numbers become one-hot rows. ValueError for a target without a row for each patch, and for values that are not finite.
    """
    with torch.no_grad():
        rows = target(images, Mask.none(grid).to(images.device).expand(len(images)))
    name = name or type(target).__name__
    if not isinstance(rows, Tensor) or rows.ndim != 3 or rows.shape[:2] != (len(images), grid.count):
        what = tuple(rows.shape) if isinstance(rows, Tensor) else type(rows).__name__
        raise ValueError(
            f"target {name} gives {what}, but a row for each of {grid.count} patches of {len(images)} pictures is wanted"
        )
    codes = not rows.is_floating_point()
    if codes:
        rows = F.one_hot(rows[..., 0].long(), int(getattr(target, "count", int(rows.max()) + 1)))
    if not bool(torch.isfinite(rows.float()).all()):
        raise ValueError(
            f"target {name} holds NaN or infinite values: its teacher's weights are broken, or it overflowed"
        )
    mean, std = (torch.tensor(each).to(images)[:, None, None] for each in (encoder.mean, encoder.std))
    shown = (images * std + mean).clamp(0, 1).float().cpu()
    return TargetSpace(
        name, rows.float().cpu(), shown, grid, target, tuple(encoder.mean), tuple(encoder.std), codes
    )  # fmt: skip
