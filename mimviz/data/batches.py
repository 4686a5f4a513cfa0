"""Endless training batches that are a pure function of (seed, step), so that a run can stop and go on exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Batch = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Batches:
    """Shuffled, normalized batches of uint8 `images` (N, 3, H, W); the last incomplete batch of an epoch is dropped.

    With `labels` (N,), a batch is (pictures, labels), else the pictures alone.
    `augment`: a random resized crop (`scale` of the area, `ratio` width to height, bilinear) and a horizontal flip.
    Raises ValueError when there are fewer images than one batch needs.
    """

    images: Tensor
    batch_size: int
    _: KW_ONLY
    mean: Sequence[float]
    std: Sequence[float]
    labels: Tensor | None = None
    seed: int = 0
    augment: bool = True
    scale: tuple[float, float] = (0.5, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        images, count = self.images, len(self.images)
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images are {images.dtype} {tuple(images.shape)}, but uint8 (N, 3, H, W) is needed: "
                "read them with load_images"
            )
        if not 1 <= self.batch_size <= count:
            raise ValueError(
                f"batch_size={self.batch_size}, but 1 to {count} is possible, as there are {count} images: "
                "take smaller batches or more images"
            )
        if self.labels is not None and self.labels.shape != (count,):
            raise ValueError(f"labels have shape {tuple(self.labels.shape)}, but ({count},) is needed: one per image")
        if not 0 < self.scale[0] <= self.scale[1] <= 1 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(
                f"scale={self.scale} and ratio={self.ratio}, but rising pairs are needed, scale within 0..1"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(
                f"mean={self.mean} and std={self.std}, but three numbers each are needed (R, G, B), std above 0"
            )

    def __len__(self) -> int:
        """Steps in one epoch."""
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        return self.starting(0)

    def starting(self, step: int) -> Iterator[Batch]:
        """Batches without end from `step` on."""
        while True:
            yield self.at(step)
            step += 1

    def at(self, step: int) -> Batch:
        """Batch number `step`: float (B, 3, H, W), (rgb in 0..1 - mean) / std, on the device of the images; labels (B,) if any."""
        ids = self.ids(step)
        images = self.images[ids.to(self.images.device)].float().div_(255)
        if self.augment:
            images = F.grid_sample(images, self._boxes(step, images), padding_mode="border", align_corners=False)
        mean = torch.tensor(list(self.mean), device=images.device).view(3, 1, 1)
        std = torch.tensor(list(self.std), device=images.device).view(3, 1, 1)
        images.sub_(mean).div_(std)
        return images if self.labels is None else (images, self.labels[ids.to(self.labels.device)])

    def ids(self, step: int) -> Tensor:
        """Which images batch number `step` holds: int64 (B,), a slice of its epoch's permutation."""
        if step < 0:
            raise ValueError(f"step={step}, but steps count from 0")
        epoch, place = divmod(step, len(self))
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.images))
        return torch.from_numpy(order[place * self.batch_size : (place + 1) * self.batch_size])

    def _boxes(self, step: int, images: Tensor) -> Tensor:
        rng = np.random.default_rng([self.seed, 1, step])
        count, _, height, width = images.shape
        area = rng.uniform(*self.scale, count)
        root = np.sqrt(np.exp(rng.uniform(np.log(self.ratio[0]), np.log(self.ratio[1]), count)))
        # As fractions of the sides. A box that would stick out is cut to the picture, where torchvision draws again.
        w = np.minimum(np.sqrt(area * height / width) * root, 1)
        h = np.minimum(np.sqrt(area * width / height) / root, 1)
        x, y = rng.uniform(-1, 1, (2, count)) * (1 - w, 1 - h)
        flip = rng.choice([-1.0, 1.0], count)
        zero = np.zeros(count)
        theta = np.stack([[w * flip, zero, x], [zero, h, y]]).transpose(2, 0, 1)  # (B, 2, 3)
        theta = torch.from_numpy(theta.astype(np.float32)).to(images.device)
        return F.affine_grid(theta, list(images.shape), align_corners=False)
