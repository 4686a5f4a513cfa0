"""Pictures that a model is tested on must not be among those it learned from: found by a hash of what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

NEAR = 6 / 255  # mean difference of two thumbnails of one picture, encoded twice


@dataclass(frozen=True)
class Leak:
    """`pairs` are (number in training, number in validation) of pictures that are the same, or mirrored."""

    pairs: tuple[tuple[int, int], ...]
    validation: int

    @property
    def share(self) -> float:
        """Of the validation pictures, 0..1, that were trained on."""
        return len({second for _, second in self.pairs}) / max(1, self.validation)


def leaks(training: Any, validation: Any) -> Leak:
    """Which pictures of `validation` are in `training`; each uint8 (N, 3, H, W) or something with such `.images`, as Batches.

    Compared are 64 bits of brighter-or-darker on a grid of 8 × 8, then a thumbnail; also with left and right exchanged. Crops and
    other colours are not found."""
    learned, tested = _images(training), _images(validation)
    known: dict[int, list[int]] = {}
    for index, code in enumerate(_codes(learned)):
        known.setdefault(code, []).append(index)
    pairs = []
    for second, codes in enumerate(zip(_codes(tested), _codes(tested, mirrored=True), strict=True)):
        for mirrored, code in enumerate(codes):
            found = next(
                (each for each in known.get(code, []) if _alike(learned[each], tested[second], bool(mirrored))), None
            )
            if found is not None:
                pairs.append((found, second))
                break
    return Leak(tuple(pairs), len(tested))


def _images(source: Any) -> Tensor:
    images = getattr(source, "images", source)
    if not isinstance(images, Tensor) or images.ndim != 4 or images.dtype != torch.uint8:
        what = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(
            f"pictures to compare are {what}, but uint8 (N, 3, H, W) is wanted, or something with such .images"
        )
    return images


def _grey(images: Tensor, rows: int, cols: int) -> Tensor:
    """(N, rows, cols) in 0..1."""
    return F.interpolate(images.float().div(255).mean(1, keepdim=True), size=(rows, cols), mode="area")[:, 0]


def _codes(images: Tensor, *, mirrored: bool = False, chunk: int = 1024) -> list[int]:
    """Difference hashes: is a place brighter than its neighbour? 64 bits each."""
    found = []
    for part in images.split(chunk):
        grey = _grey(part, 8, 9)
        grey = grey.flip(-1) if mirrored else grey
        bits = (grey[..., 1:] > grey[..., :-1]).flatten(1).cpu().numpy()
        found.append(np.packbits(bits, axis=1).view(np.uint64)[:, 0])
    return np.concatenate(found).tolist() if found else []


def _alike(first: Tensor, second: Tensor, mirrored: bool) -> bool:
    second = second.flip(-1) if mirrored else second
    return bool((_grey(first[None], 16, 16) - _grey(second[None], 16, 16)).abs().mean() <= NEAR)
