"""Explaining Image Classifiers with Multiscale Directional Image Representation. Kolek et al. CVPR 2023. arXiv 2211.12857.

Hallucination score (section 5.1): an explanation shown as the picture times the map must not have edges that the picture has not;
they are made up by the mask. Read off explanations in pixels; a map of coarse patches is seen through its own steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core import Heatmap
from ..core.score import Better, Score
from ..lenses._artifacts import hallucination
from ..vit import Scene
from ._asking import cells


@dataclass(frozen=True)
class Hallucination:
    """Edges of the explanation that the picture has not, as a share of the picture's edges; lower is better, 0 makes up nothing."""

    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        shown, strength = explained(scene, heat)
        return Score(hallucination(shown, shown * strength).cpu(), self)


def explained(scene: Scene, heat: Heatmap) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 3, H, W) pictures in 0..1, and (B, 1, H, W) how much of each pixel is kept: the map's positive part over its largest."""
    parts = scene.anatomy
    mean, std = (scene.images.new_tensor(each)[:, None, None] for each in (parts.mean, parts.std))
    values = cells(scene, heat, "pixel").clamp_min(0)[:, None]
    return (scene.images * std + mean).clamp(0, 1), values / values.flatten(1).amax(1)[:, None, None, None].clamp_min(
        1e-12
    )
