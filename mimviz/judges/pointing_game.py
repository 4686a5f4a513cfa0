"""Top-down Neural Attention by Excitation Backprop. Zhang, Lin, Brandt, Shen, Sclaroff. ECCV 2016. arXiv 1608.00507.

The pointing game (section 4.2): a map scores where its highest place lies inside the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core import Heatmap
from ..core.score import Better, Score
from ..vit import Scene
from ._places import inside


@dataclass(frozen=True)
class PointingGame:
    """1 where the map's highest place lies in the drawn `region`, or within `tolerance` pixels of it; else 0; higher is better.

    region: see `mimviz.judges.MassInside`. Equal highest places share the point. tolerance: 15 pixels at 224 in the paper.
    """

    region: Any = None
    tolerance: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        within = _widened(
            inside(scene, heat, self.region), self.tolerance * heat.values.shape[-1] / scene.images.shape[-1]
        )
        values = heat.values.cpu().float()
        best = values == values.flatten(1).amax(1)[:, None, None]
        return Score((best & within).flatten(1).sum(1) / best.flatten(1).sum(1), self)


def _widened(within: Tensor, cells: float) -> Tensor:
    """(B, H, W) boolean, with all that is at most `cells` away."""
    if cells <= 0:
        return within
    steps = int(cells)
    near = torch.nn.functional.max_pool2d(within.float()[:, None], 2 * steps + 1, 1, steps)
    return near[:, 0] > 0
