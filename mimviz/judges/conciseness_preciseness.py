"""Explaining Image Classifiers with Multiscale Directional Image Representation. Kolek et al. CVPR 2023. arXiv 2211.12857.

Conciseness-preciseness (section 5.2): how much of the class's probability an explanation keeps, over how much of the picture's
information it keeps; a short explanation that still convinces the model scores above 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..core import Heatmap
from ..core.score import Better, Score
from ..lenses._artifacts import Information, conciseness_preciseness
from ..vit import Scene
from ._asking import read
from .hallucination import explained
from .removal.painting import passed


@dataclass(frozen=True)
class ConcisenessPreciseness:
    """[p(explanation) / p(picture)] / [information(explanation) / information(picture)]; higher is better, the whole picture has 1.

    The explanation is the picture times the map's positive part over its largest value, black where nothing is kept.
    """

    measure: Information = "l1"
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        shown, strength = explained(scene, heat)
        parts = scene.anatomy
        mean, std = (scene.images.new_tensor(each)[:, None, None] for each in (parts.mean, parts.std))
        told = read(scene, passed(scene, (shown * strength - mean) / std), "probability")[0]
        wanted = read(scene, scene.logits, "probability")[0]
        value = conciseness_preciseness(told, wanted, shown * strength, shown, measure=self.measure)
        return Score(value.float().cpu(), self)
