"""There and Back Again: Revisiting Backpropagation Saliency Methods. Rebuffi, Fong, Ji, Vedaldi. CVPR 2020. arXiv 2004.02866.

Class sensitivity (section 4.3): a map for the most likely class should not be the map for the least likely one. Guided backprop and
deconvolution hardly differ (Nie et al., ICML 2018, arXiv 1805.07039): they recover the picture, whatever is asked.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Score
from ..vit import Scene
from ._agreement import spearman
from ._asking import lens_of
from ._scenes import anew


@dataclass(frozen=True)
class ClassSensitivity:
    """Rank correlation of the map with that of the least likely class, −1..1; lower is better."""

    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        least = scene.logits.argmin(-1).tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            other = lens_of(heat, self)(anew(scene, target=least))
        value = spearman(heat, other)
        flat = int(torch.isnan(value).sum())
        return Score(value, self, note=f"{flat} of {len(value)} maps are flat, so nothing correlates" if flat else "")
