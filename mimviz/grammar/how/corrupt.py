"""Corrupt: hidden patches are not removed but spoilt, in the picture itself (SiT, arXiv 2104.03602; GMML, arXiv 2205.14986)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy import ndimage
from torch import Generator, Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Corrupt:
    """how(images, mask, generator=None) → images whose hidden patches are spoilt; the others are as they were.

    Each connected group of hidden patches gets one of `kinds` at random. "zeros": the mean colour of the training pictures, these
    being normalized; "noise": N(0, 1); "grey": the mean of the three channels; "blur": a Gaussian of half a patch; "alien": the
    same place in another picture of the batch, noise where there is none. Grey and blur leave something of a hidden patch to see,
    and an alien patch may be one that another picture of the batch hides.
    """

    grid: Grid
    kinds: tuple[str, ...] = ("noise",)
    _make: dict[str, Callable[..., Tensor]] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        known = {"zeros": _zeros, "noise": _noise, "grey": _grey, "blur": self._blur, "alien": _alien}
        if not self.kinds or set(self.kinds) - set(known):
            raise ValueError(f"kinds are {self.kinds!r}, but some of {', '.join(known)} are wanted")
        object.__setattr__(self, "_make", known)

    def __call__(
        self, images: Float[Tensor, "B 3 H W"], mask: Mask, generator: Generator | None = None
    ) -> Float[Tensor, "B 3 H W"]:
        chosen = self.choose(mask, generator).to(images.device)
        for number, kind in enumerate(self.kinds):
            at = self._pixels(chosen == number)
            if at.any():
                images = torch.where(at, self._make[kind](images, generator), images)
        return images

    def choose(self, mask: Mask, generator: Generator | None = None) -> Tensor:
        """(B, N): which of the `kinds` each hidden patch gets, −1 where visible; one for a connected group."""
        if len(self.kinds) == 1:
            return mask.hidden.long() - 1
        found: list[Any] = [ndimage.label(each) for each in mask.hidden.unflatten(1, self.grid.shape).cpu()]
        groups = torch.stack([torch.from_numpy(numbers) for numbers, _ in found]).flatten(1).long()  # 0 where visible
        kinds = torch.randint(len(self.kinds), (len(groups), int(groups.max()) + 1), generator=generator)
        return kinds.gather(1, groups).masked_fill(groups == 0, -1)

    def _pixels(self, patches: Tensor) -> Tensor:
        """(B, N) → (B, 1, H, W)."""
        p = self.grid.patch
        return patches.unflatten(1, self.grid.shape)[:, None].repeat_interleave(p, 2).repeat_interleave(p, 3)

    def _blur(self, images: Tensor, generator: Generator | None) -> Tensor:
        sigma = self.grid.patch / 2
        reach = min(round(3 * sigma), *(side - 1 for side in images.shape[2:]))
        bell = torch.exp(-(torch.arange(-reach, reach + 1).to(images) ** 2) / (2 * sigma**2))
        bell = (bell / bell.sum()).expand(3, 1, 1, -1)
        wide = F.conv2d(F.pad(images, (reach, reach, 0, 0), "reflect"), bell, groups=3)
        return F.conv2d(F.pad(wide, (0, 0, reach, reach), "reflect"), bell.transpose(2, 3), groups=3)


def _zeros(images: Tensor, generator: Generator | None) -> Tensor:
    return torch.zeros_like(images)


def _noise(images: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(images.shape, generator=generator).to(images)


def _grey(images: Tensor, generator: Generator | None) -> Tensor:
    return images.mean(1, keepdim=True).expand_as(images)


def _alien(images: Tensor, generator: Generator | None) -> Tensor:
    if len(images) == 1:
        return _noise(images, generator)
    return images.roll(int(torch.randint(1, len(images), (), generator=generator)), 0)
