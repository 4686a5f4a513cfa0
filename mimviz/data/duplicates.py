"""Equal and nearly equal pictures: by their pixels, and by a perceptual hash.

The hash is pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): the signs of the 64 lowest
frequencies of the grey picture at 32 × 32, around their median. Equal to the ImageHash package (tests/data/test_duplicates.py).
"""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image
from scipy.fft import dctn
from torch import Tensor

ALIKE = 0.08  # root mean square difference of grey values 0..1 at 16 × 16 above which equal hashes are mere chance


def content_keys(images: Tensor) -> list[bytes]:
    """A hash of the pixels of each picture of uint8 (N, 3, H, W)."""
    return [hashlib.blake2b(each.numpy().tobytes(), digest_size=16).digest() for each in images]


def exact_groups(images: Tensor) -> list[list[int]]:
    """Numbers of pictures with the very same pixels, two or more together."""
    found: dict[bytes, list[int]] = {}
    for index, key in enumerate(content_keys(images)):
        found.setdefault(key, []).append(index)
    return [group for group in found.values() if len(group) > 1]


def near_groups(images: Tensor, bits: int = 4) -> list[list[int]]:
    """Numbers of pictures whose hashes differ in at most `bits` of 64 and whose grey thumbnails agree; equal ones, too."""
    if not 0 <= bits <= 32:
        raise ValueError(f"bits is {bits}, but 0 to 32 of the 64 may differ: beyond that, everything is alike")
    hashes, small = perceptual_hashes(images), _thumbnails(images)
    owner = list(range(len(hashes)))

    def root(i: int) -> int:
        while owner[i] != i:
            owner[i] = owner[owner[i]]
            i = owner[i]
        return i

    for start in range(0, len(hashes), 256):
        apart = np.bitwise_count(hashes[start : start + 256, None] ^ hashes[None, start:])
        for i, j in zip(*np.nonzero(apart <= bits), strict=True):
            a, b = start + int(i), start + int(j)
            if a < b and np.sqrt(((small[a] - small[b]) ** 2).mean()) < ALIKE:
                owner[root(b)] = root(a)
    groups: dict[int, list[int]] = {}
    for index in range(len(hashes)):
        groups.setdefault(root(index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def perceptual_hashes(images: Tensor) -> np.ndarray:
    """uint64 (N,) of uint8 (N, 3, H, W)."""
    low = np.stack([np.asarray(dctn(_grey(each, 32), type=2))[:8, :8].reshape(64) for each in images])
    high = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(high, axis=1).view(">u8")[:, 0].astype(np.uint64)


def _thumbnails(images: Tensor) -> np.ndarray:
    return np.stack([_grey(each, 16) / 255 for each in images])


def _grey(image: Tensor, size: int) -> np.ndarray:
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS), dtype=np.float64)
