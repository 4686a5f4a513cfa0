"""ERASER: A Benchmark to Evaluate Rationalized NLP Models. DeYoung, Jain, Rajani et al. ACL 2020. arXiv 1911.03429.

Sufficiency (equation 2, averaged over shares as in section 4.2): how much is lost when only the cells that a map names are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._asking import Removal, Scale, Unit, without
from .comprehensiveness import SHARES, top
from .removal import Fill


@dataclass(frozen=True)
class Sufficiency:
    """Mean of score(picture) − score(its top share alone) over `shares`; lower is better."""

    shares: tuple[float, ...] = SHARES
    removal: Removal = field(default_factory=Fill)
    unit: Unit = "patch"
    scale: Scale = "probability"
    seed: int = 0
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        others = ~top(scene, heat, self)  # (S, B, rows, cols)
        whole = torch.zeros_like(others[:1])
        scores = without(scene, torch.cat([whole, others]), self.removal, self.scale).cpu()
        losses = (scores[:1] - scores[1:]).T  # (B, S)
        return Score(losses.mean(1), self, Curve(torch.tensor(self.shares), losses, y_label=f"loss of {self.scale}"))
