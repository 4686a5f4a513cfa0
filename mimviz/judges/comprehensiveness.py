"""ERASER: A Benchmark to Evaluate Rationalized NLP Models. DeYoung, Jain, Rajani et al. ACL 2020. arXiv 1911.03429.

Comprehensiveness (equation 1, averaged over shares as in section 4.2): how much the score falls without the cells a map names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._asking import Removal, Scale, Unit, cells, rank, without
from .removal import Fill

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Comprehensiveness:
    """Mean of score(picture) − score(picture without its top share) over `shares`; higher is better."""

    shares: tuple[float, ...] = SHARES
    removal: Removal = field(default_factory=Fill)
    unit: Unit = "patch"
    scale: Scale = "probability"
    seed: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        named = top(scene, heat, self)  # (S, B, rows, cols)
        whole = torch.zeros_like(named[:1])
        scores = without(scene, torch.cat([whole, named]), self.removal, self.scale).cpu()
        falls = (scores[:1] - scores[1:]).T  # (B, S)
        return Score(falls.mean(1), self, Curve(torch.tensor(self.shares), falls, y_label=f"fall of {self.scale}"))


def top(scene: Scene, heat: Heatmap, judge):
    """(S, B, rows, cols) boolean: the top share of cells, at least one, for each of the judge's `shares`."""
    if not judge.shares or not all(0 < share <= 1 for share in judge.shares):
        raise ValueError(f"shares is {judge.shares}, but numbers above 0 and up to 1 are wanted")
    place = rank(cells(scene, heat, judge.unit), seed=judge.seed)
    many = torch.tensor([max(round(share * place[0].numel()), 1) for share in judge.shares], device=place.device)
    return place < many[:, None, None, None]
