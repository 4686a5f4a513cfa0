"""XRAI's segments, and the greedy order in which they are added, kept up to date pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from scipy.sparse import csc_matrix
from skimage.segmentation import felzenszwalb
from skimage.transform import resize

SCALES = (50, 100, 150, 250, 500, 1200)


def segments(
    array: np.ndarray, *, scales: Sequence[float] = SCALES, min_size: int = 150, dilate: int = 5
) -> csc_matrix:
    """(pixels, segments) boolean, of a picture (H, W, 3): Felzenszwalb's regions at several scales, at 224 pixels, each grown by
    a disk.

    The colours are stretched to −1..1 first, as PAIR's `saliency` does, on which the scales depend.
    """
    shape = array.shape[:2]
    low, high = array.min(), array.max()
    even = (array - low) / max(high - low, 1e-12) * 2 - 1
    even = resize(even, (224, 224), order=3, mode="constant", preserve_range=True, anti_aliasing=True)
    rows: list[np.ndarray] = []
    for scale in scales:
        found = felzenszwalb(even, scale=scale, sigma=0.8, min_size=min_size)
        found = np.asarray(resize(found, shape, order=0, preserve_range=True, mode="constant", anti_aliasing=False), int)
        rows += _members(found, dilate)
    return packed(rows, shape[0] * shape[1])


def packed(rows: Sequence[np.ndarray], pixels: int) -> csc_matrix:
    """Numbers of the pixels of each segment → (pixels, segments)."""
    starts = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
    numbers = np.concatenate(rows) if rows else np.zeros(0, int)
    return csc_matrix((np.ones(len(numbers)), numbers, starts), shape=(pixels, len(rows)))


def _members(labels: np.ndarray, dilate: int) -> list[np.ndarray]:
    """The pixels of each region, grown by a disk: those no farther than its radius, measured in the region's own corner alone."""
    W = labels.shape[1]
    found = []
    for number, at in enumerate(find_objects(labels + 1)):
        if at is None:
            continue
        top, left = max(at[0].start - dilate, 0), max(at[1].start - dilate, 0)
        part = labels[top : at[0].stop + dilate, left : at[1].stop + dilate] != number
        near = np.asarray(distance_transform_edt(part)) <= dilate if dilate else ~part
        y, x = np.nonzero(near)
        found.append((y + top) * W + x + left)
    return found


def greedy(attribution: np.ndarray, members: Any, *, least: int = 50) -> tuple[np.ndarray, list[np.ndarray]]:
    """attribution (P,), members (P, S) → (the density at which each pixel was added (P,), the pixels of each addition, in order).

    Again and again the segment whose new pixels have the highest mean is added; segments with fewer than `least` new pixels are
    left out. Pixels in no segment get the mean of what is left.
    """
    attribution = attribution.astype(np.float64)
    by_pixel, values = members.tocsr(), np.full(len(attribution), -np.inf)
    count = np.asarray(members.sum(0)).ravel()
    total = members.T @ attribution
    open_, order = np.ones(members.shape[1], dtype=bool), []
    while True:
        open_ &= count >= least
        if not open_.any():
            break
        best = int(np.where(open_, total / np.maximum(count, 1), -np.inf).argmax())
        own = members.indices[members.indptr[best] : members.indptr[best + 1]]
        new = own[np.isneginf(values[own])]
        values[new] = attribution[new].mean()
        order.append(new)
        gone = by_pixel[new]
        count -= np.asarray(gone.sum(0)).ravel()
        total -= gone.T @ attribution[new]
        open_[best] = False
    rest = np.isneginf(values)
    if rest.any():
        values[rest] = attribution[rest].mean()
    return values, order
