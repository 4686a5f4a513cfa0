"""Training pictures as timm augments them: random crop, flip, RandAugment, random erasing.

Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, NeurIPS 2020, arXiv 1909.13719; Zhong
et al., Random Erasing Data Augmentation, AAAI 2020, arXiv 1708.04896.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor

from ..core import drawing
from ..data import Batches
from ..data.batches import Batch
from ._seeded import seeded


@dataclass(frozen=True, eq=False)
class Augmented(Batches):
    """`Batches` whose pictures go through `timm.data.create_transform(is_training=True)`; still a pure function of (seed, step).

    policy: timm's name of an augmentation, e.g. "rand-m9-mstd0.5-inc1" (MAE's fine-tuning) or "augmix-m3-w3"; None leaves it out.
    erase: chance that a rectangle is erased (filled with noise). jitter: of the colours, where there is no policy.
    `scale` and `ratio` are of the random crop; `augment=False` leaves all of it out.
    """

    policy: str | None = "rand-m9-mstd0.5-inc1"
    erase: float = 0.25
    jitter: float | None = None
    interpolation: str = "bicubic"

    @cached_property
    def transform(self) -> Any:
        """timm's own: a PIL image to a normalized tensor (3, height, width)."""
        _, _, height, width = self.images.shape
        jitter: Any = self.jitter
        return create_transform(
            (height, width), is_training=True, scale=self.scale, ratio=self.ratio, auto_augment=self.policy, re_prob=self.erase,
            re_mode="pixel", color_jitter=jitter, interpolation=self.interpolation, mean=tuple(self.mean), std=tuple(self.std),
        )  # fmt: skip

    def at(self, step: int) -> Batch:
        """Batch number `step`, as `Batches.at`."""
        if not self.augment:
            return super().at(step)
        ids = self.ids(step)
        with drawing(self.seed):
            images = torch.stack([self._one(index, place, step) for place, index in enumerate(ids.tolist())])
        images = images.to(self.images.device)
        return images if self.labels is None else (images, self.labels[ids.to(self.labels.device)])

    def _one(self, index: int, place: int, step: int) -> Tensor:
        picture = Image.fromarray(self.images[index].permute(1, 2, 0).cpu().numpy())
        seed = int(np.random.default_rng([self.seed, 2, step, place]).integers(2**31))
        torch.manual_seed(seed)
        with seeded(seed):
            return self.transform(picture)
