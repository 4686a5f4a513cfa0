"""Ground Truth Evaluation of Neural Network Explanations with CLEVR-XAI. Arras, Osman, Samek. 2020. arXiv 2003.07258.

Relevance mass accuracy (section 3.2): the share of a map's positive mass that lies inside the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..core import Heatmap
from ..core.score import Better, Score
from ..vit import Scene
from ._places import inside


@dataclass(frozen=True)
class MassInside:
    """Share 0..1 of the positive mass in the drawn `region`; higher is better. NaN for a map with no positive value.

    region: a Mask on the model's patches, a boolean array (H, W) or (B, H, W) of pixels or patches, or a box (top, left, bottom,
    right) as shares 0..1 of the picture. None is the middle of the picture, where most photographs have their object.
    """

    region: Any = None
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        within = inside(scene, heat, self.region)
        positive = heat.values.cpu().float().clamp_min(0)
        whole = positive.flatten(1).sum(1)
        share = (positive * within).flatten(1).sum(1) / whole  # 0 / 0 is NaN
        empty = int((whole == 0).sum())
        return Score(share, self, note=f"{empty} of {len(whole)} maps hold no positive value" if empty else "")
