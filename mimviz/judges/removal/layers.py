"""Layers: what is hidden is kept out of every layer of a conv net (Balasubramanian & Feizi, CVPR 2023, arXiv 2211.14646)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ...cnn.layer_masking import masked_outputs
from ...vit import Scene, evaluating
from .fill import Fill
from .painting import PIXELS, repeated


@dataclass(frozen=True)
class Layers:
    """For timm ResNets: neither colour nor shape of the hole can be seen. `pictures` paints it grey, for people only."""

    exact: ClassVar[bool] = False

    @torch.no_grad()
    def outputs(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, classes)."""
        images, over = repeated(scene, hidden)
        size = max(PIXELS // (images.shape[-1] * images.shape[-2]), 1)
        with evaluating(scene.model):
            parts = zip(images.split(size), (~over).to(images).split(size), strict=True)
            return torch.cat([masked_outputs(scene.model, each, seen) for each, seen in parts])

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K · B, 3, H, W), the hole in grey."""
        return Fill().pictures(scene, hidden)
