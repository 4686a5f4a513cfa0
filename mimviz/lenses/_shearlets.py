"""The cone-adapted digital shearlet transform of pictures, and back: a Parseval frame.

Häuser, Steidl, Fast finite shearlet transform: a tutorial, 2012, arXiv 1202.1773: Meyer's windows in frequency. At scale j the
radius (the larger frequency, as cones are cut) lies within a factor of 8, growing fourfold with j, and 2^(j + 2) directions are
slopes sheared by 2^-j; those along the diagonals are glued from both cones.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor


def transformed(x: Tensor, levels: int) -> list[Tensor]:
    """(B, C, H, W) → the coarse part, then every direction of every scale, finest last: (B, C, H, W) each."""
    H, W = x.shape[-2:]
    bands = torch.fft.irfft2(torch.fft.rfft2(x)[:, :, None] * _like(x, levels), s=(H, W))  # (B, C, K, H, W)
    return list(bands.unbind(2))


def restored(bands: list[Tensor]) -> Tensor:
    """The inverse of `transformed`, and its transpose: (B, C, H, W)."""
    H, W = bands[0].shape[-2:]
    levels = next(each for each in range(1, 9) if count(each) == len(bands))
    waves = (torch.fft.rfft2(torch.stack(bands, 2)) * _like(bands[0], levels)).sum(2)
    return torch.fft.irfft2(waves, s=(H, W))


def count(levels: int) -> int:
    """How many bands there are: 1 + Σ 2^(j + 2)."""
    return 1 + sum(2 ** (j + 2) for j in range(levels))


def _like(x: Tensor, levels: int) -> Tensor:
    return windows(*x.shape[-2:], levels)[..., : x.shape[-1] // 2 + 1].to(x)


@lru_cache(maxsize=4)
def windows(height: int, width: int, levels: int) -> Tensor:
    """(K, height, width) float64 in the order of `fft2`: real, even, their squares sum to 1 at every frequency."""
    if levels < 1:
        raise ValueError(f"levels is {levels}, but at least 1 is wanted")
    top = 4.0**levels  # half a cycle a pixel lies at top / 2, where the last scale still is whole
    y, x = (torch.fft.fftfreq(n, dtype=torch.float64) * top for n in (height, width))
    y, x = torch.meshgrid(y, x, indexing="ij")
    radius, lying = torch.maximum(x.abs(), y.abs()), x.abs() >= y.abs()
    slope = torch.where(lying, y / _not_0(x), x / _not_0(y))
    squares = [_coarse(radius) ** 2]
    for j in range(levels):
        ring, shear = _ring(radius / 4**j) ** 2, 2**j
        for k in range(-shear, shear + 1):
            wedge = ring * _bump(shear * slope + k) ** 2
            squares += [wedge] if abs(k) == shear else [wedge * lying, wedge * ~lying]
    even = torch.stack(squares)
    even = (even + even.flip(1, 2).roll((1, 1), (1, 2))) / 2  # at half a cycle a pixel, a frequency is its own opposite
    return even.sqrt()


def _not_0(x: Tensor) -> Tensor:
    return torch.where(x == 0, 1.0, x)


def _step(x: Tensor) -> Tensor:
    """Meyer's polynomial from 0 to 1: step(x) + step(1 − x) = 1."""
    x = x.clamp(0, 1)
    return x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)


def _coarse(radius: Tensor) -> Tensor:
    """1 below 1/2, 0 beyond 1."""
    return torch.cos(math.pi / 2 * _step(2 * radius - 1))


def _ring(radius: Tensor) -> Tensor:
    """From 1/2 over a plateau of 1 at 1..2 to 4; with those at a quarter and at four times the radius, squares sum to 1."""
    return torch.where(
        radius <= 1, torch.sin(math.pi / 2 * _step(2 * radius - 1)), torch.cos(math.pi / 2 * _step(radius / 2 - 1))
    )


def _bump(slope: Tensor) -> Tensor:
    """1 at 0, 0 at ±1; with those beside it, squares sum to 1."""
    return _step(1 - slope.abs()).sqrt()
