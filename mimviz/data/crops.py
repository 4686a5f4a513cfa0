"""Small pictures to train on without a data set: random crops of the bundled photographs."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .open import image
from .sample import images

SHORTEST = 0.3  # of a picture's shorter side


@cache
def crops(height: int, width: int, *, each: int = 24, seed: int = 0) -> Tensor:
    """uint8 (N, 3, height, width): `each` random crops of every bundled picture, of 30 to 100 % of what fits.

    They are few and alike: enough to see a model begin to learn, too few to learn from. The same seed cuts the same crops.
    """
    rng = np.random.default_rng(seed)
    cut = [_crop(picture, height, width, rng) for picture in map(_bytes, images()) for _ in range(each)]
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).contiguous()


def _bytes(name: str) -> Image.Image:
    return Image.fromarray((image(name).array * 255).round().astype(np.uint8))


def _crop(picture: Image.Image, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    largest = min(picture.width / width, picture.height / height)
    scale = largest * rng.uniform(SHORTEST, 1)
    w, h = scale * width, scale * height
    left, top = rng.uniform(0, picture.width - w), rng.uniform(0, picture.height - h)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, (left, top, left + w, top + h)))
