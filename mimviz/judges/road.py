"""A Consistent and Efficient Evaluation Strategy for Attribution Methods. Rong, Leemann et al. ICML 2022. arXiv 2202.00449.

ROAD: remove and debias. Cells go most or least relevant first, and noisy linear imputation (`removal.Linear`) stands in their
place, which leaves no edge that would tell the model what was there. The value joins both orders, (least − most) / 2, and is the
mean over shares. Equal to grad-cam's `ROADCombined` on pixels, noise aside (tests/parity/test_judges.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._asking import Removal, Scale, Unit, cells, rank, without
from .removal import Linear


@dataclass(frozen=True)
class ROAD:
    """Higher is better: what is left when the least relevant went first, minus the same for the most relevant."""

    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    removal: Removal = field(default_factory=Linear)
    unit: Unit = "patch"
    scale: Scale = "probability"
    seed: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise ValueError(f"shares is {self.shares}, but numbers between 0 and 1 are wanted")
        place = rank(cells(scene, heat, self.unit), seed=self.seed)  # (B, rows, cols)
        many = torch.tensor([round(share * place[0].numel()) for share in self.shares], device=place.device)
        most = place < many[:, None, None, None]
        least = place >= (place[0].numel() - many)[:, None, None, None]
        scores = without(scene, torch.cat([most, least]), self.removal, self.scale).T.cpu()  # (B, 2 S)
        gain = (scores[:, len(many) :] - scores[:, : len(many)]) / 2
        return Score(gain.mean(1), self, Curve(torch.tensor(self.shares), gain, y_label="(least − most) / 2"))
