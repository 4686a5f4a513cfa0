"""Fill: a colour or a blur covers what is taken away (Petsiuk et al., RISE, BMVC 2018, arXiv 1806.07421, section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...lenses._pixels import Baseline, blank
from ...vit import Scene
from .painting import Painting, repeated


@dataclass(frozen=True)
class Fill(Painting):
    """baseline: "mean" is the grey of the model's own normalisation; "black", "white", or "blur"."""

    baseline: Baseline = "mean"

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, 3, H, W)."""
        images, over = repeated(scene, hidden)
        return torch.where(over, blank(scene, self.baseline).repeat(len(hidden), 1, 1, 1), images)
