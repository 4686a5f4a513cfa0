"""Cutting pictures into regions, and cutting regions out of pictures."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from skimage.segmentation import slic
from torch import Tensor

from ..vit import Scene

Regions = Literal["slic", "patches"]


def labels(scene: Scene, regions: Regions, count: int) -> Tensor:
    """(B, H, W), numbered from 0 in each picture: about `count` superpixels (SLIC), or the model's patches."""
    device = scene.images.device
    if regions == "patches":
        ids = torch.arange(scene.grid.count, device=device).reshape(scene.grid.shape)
        return on_pixels(scene, ids[None]).expand(len(scene), -1, -1)
    if regions != "slic":
        raise ValueError(f"regions is {regions!r}, but 'slic' or 'patches' is wanted")
    return torch.stack([torch.from_numpy(superpixels(each.array, count)) for each in scene.pictures]).to(device)


def superpixels(array: np.ndarray, count: int) -> np.ndarray:
    """(H, W), numbered from 0: about `count` connected regions of like colour."""
    if count < 1:
        raise ValueError(f"{count} regions were asked for, but at least 1 is wanted")
    found = slic(array, n_segments=count, compactness=10, start_label=0, enforce_connectivity=True)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape).astype(np.int64)


def on_pixels(scene: Scene, values: Tensor) -> Tensor:
    """(B, rows, cols) → (B, H, W): each patch's number on all of its pixels."""
    if tuple(values.shape[1:]) == tuple(scene.images.shape[-2:]):
        return values
    H, W = scene.images.shape[-2:]
    rows, cols = values.shape[1:]
    y = torch.arange(H, device=values.device) * rows // H
    x = torch.arange(W, device=values.device) * cols // W
    return values[:, y][:, :, x]
