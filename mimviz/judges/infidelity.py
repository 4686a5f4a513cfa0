"""On the (In)fidelity and Sensitivity of Explanations. Yeh, Hsieh, Suggala, Inouye, Ravikumar. NeurIPS 2019. arXiv 1901.09392.

Infidelity (definition 2.1): random cells are taken away, and what the map says they are worth, their sum, is held against what the
score really lost. Maps have scales of their own, so each may first be multiplied by its best number (the optimal β of captum's
`normalize`, but never below 0, or an inverted map would be as good as the map). tests/parity/test_judges.py has captum's
`infidelity` on the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..core import Heatmap, seeded
from ..core.score import Better, Score
from ..vit import Scene
from ._asking import Removal, Scale, Unit, cells, read, without
from .removal import Fill


@dataclass(frozen=True)
class Infidelity:
    """Mean squared difference over `samples` draws of cells, each gone with probability `ratio`; lower is better.

    normalize: with the best factor for each picture, in units of the mean squared loss of the score, so that 1 is a map that says
    nothing and 0 one that says all; without, plain, in squares of the score's unit.
    """

    samples: int = 64
    ratio: float = 0.25
    normalize: bool = True
    removal: Removal = field(default_factory=Fill)
    unit: Unit = "patch"
    scale: Scale = "logit"
    seed: int = 0
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        values = cells(scene, heat, self.unit)  # (B, rows, cols)
        hidden = self.hidden(values)
        whole = read(scene, scene.logits, self.scale)[0]
        lost = (whole - without(scene, hidden, self.removal, self.scale)).double()  # (K, B)
        told = (hidden * values).flatten(2).sum(2).double()
        if self.normalize:
            told = told * ((told * lost).mean(0) / told.square().mean(0).clamp_min(1e-30)).clamp_min(0)
        error = (told - lost).square().mean(0)
        return Score((error / lost.square().mean(0) if self.normalize else error).float().cpu(), self)

    def hidden(self, values: torch.Tensor) -> torch.Tensor:
        """(samples, B, rows, cols) boolean; all pictures draw the same."""
        if not 0 < self.ratio < 1 or self.samples < 1:
            raise ValueError(
                f"ratio={self.ratio} and samples={self.samples}, but 0 < ratio < 1 and a sample are wanted"
            )
        drawn = torch.rand(self.samples, 1, *values.shape[1:], generator=seeded(self.seed)) < self.ratio
        return drawn.expand(-1, len(values), -1, -1).to(values.device)
