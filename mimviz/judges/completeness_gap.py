"""Axiomatic Attribution for Deep Networks. Sundararajan, Taly, Yan. ICML 2017. arXiv 1703.01365.

Completeness (section 3): a map that shares out a score sums to what the score is above that of an empty picture. The gap is what it
misses, as a share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Score
from ..lenses._pixels import Baseline, blank, completeness
from ..vit import Scene
from ._asking import fitting


@dataclass(frozen=True)
class CompletenessGap:
    """|sum of the map − (score(picture) − score(baseline))| as a share of the latter; lower is better, 0 is complete.

    NaN for maps without a sign: magnitudes share nothing out.
    """

    baseline: Baseline = "mean"
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        fitting(scene, heat)
        if not heat.signed:
            nothing = torch.full((len(scene),), float("nan"))
            return Score(nothing, self, note="the map has no sign, so it shares nothing out")
        found = completeness(scene, heat, blank(scene, self.baseline))
        return Score((found.gap.abs() / found.wanted.abs().clamp_min(1e-12)).cpu(), self)
