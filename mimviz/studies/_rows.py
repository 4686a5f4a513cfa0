"""Pictures as rows of numbers, and what a linear model can know of them: their mean and covariance."""

from __future__ import annotations

import torch
from torch import Tensor


def rows_of(images: Tensor) -> Tensor:
    """uint8 (N, 3, H, W), or float on any scale → double (N, D), colour by colour and row by row; uint8 comes as 0..1."""
    if images.ndim != 4 or images.shape[1] != 3 or not (images.is_floating_point() or images.dtype == torch.uint8):
        raise ValueError(
            f"pictures are {images.dtype} {tuple(images.shape)}, but uint8 or float (N, 3, H, W) is wanted"
        )
    rows = images.detach().cpu().double().flatten(1)
    return rows if images.is_floating_point() else rows / 255


def moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of rows (N, D). ValueError where no picture differs from another."""
    mean = rows.mean(0)
    centred = rows - mean
    covariance = centred.T @ centred / len(rows)
    if len(rows) < 2 or not covariance.trace() > 0:
        raise ValueError(f"{len(rows)} pictures do not differ from each other, but at least two that do are wanted")
    return mean, covariance


def principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Axes (D, D), as rows of length 1, and the variance (D,) along each, the largest first."""
    variances, axes = torch.linalg.eigh(covariance)
    return axes.flip(1).T, variances.flip(0).clamp_min(0)
