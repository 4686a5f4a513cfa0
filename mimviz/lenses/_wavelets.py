"""Haar's orthonormal wavelet transform of pictures, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def transformed(x: Tensor, levels: int) -> list[Tensor]:
    """Haar's orthonormal transform of (B, C, H, W): the coarse picture, then (B, 3 · C …) as three bands a level, finest last."""
    bands: list[Tensor] = []
    for _ in range(levels):
        if x.shape[-1] % 2 or x.shape[-2] % 2:
            break
        a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
        bands[:0] = [(a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2]
        x = (a + b + c + d) / 2
    return [x, *bands]


def restored(bands: list[Tensor]) -> Tensor:
    """The inverse of `transformed`."""
    x = bands[0]
    for i in range(1, len(bands), 3):
        h, v, d = bands[i : i + 3]
        rows = [torch.stack([x + h + v + d, x + h - v - d], -1), torch.stack([x - h + v - d, x - h - v + d], -1)]
        x = (torch.stack([row.flatten(-2) for row in rows], -2) / 2).flatten(-3, -2)
    return x
