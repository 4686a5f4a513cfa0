"""Taking patches away by painting over them: what all such words share."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ...lenses._regions import on_pixels
from ...vit import Scene
from ...vit.answers import answer

PIXELS = 16 * 224 * 224  # of one batch, as in lenses: larger ones gain nothing on a processor


class Painting:
    """`pictures` is the word's own; what the model says of them follows."""

    exact: ClassVar[bool] = True

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        raise NotImplementedError

    def outputs(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, classes), in batches."""
        return passed(scene, self.pictures(scene, hidden))


@torch.no_grad()
def passed(scene: Scene, images: Tensor) -> Tensor:
    """(M, 3, H, W) → what the model says, (M, classes), in batches that fit."""
    size = max(PIXELS // (images.shape[-1] * images.shape[-2]), 1)
    return torch.cat([answer(scene, part) for part in images.split(size)])


def repeated(scene: Scene, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """(K · B, 3, H, W) pictures and (K · B, 1, H, W) what of them is hidden, patch by patch or pixel by pixel."""
    return scene.images.repeat(len(hidden), 1, 1, 1), on_pixels(scene, hidden.flatten(0, 1))[:, None]
