"""RISE: Randomized Input Sampling for Explanation of Black-box Models. Petsiuk, Das, Saenko. BMVC 2018. arXiv 1806.07421.

Deletion (section 4.3): the cells that a map calls important are taken away first; the faster the score falls, the better the map.
The value is the area under the curve, trapezoids with half end points as in the authors' code (tests/judges/test_curves.py has it
again). What stands in the place of a cell is the `removal`: a colour that no network ever saw judges other maps best than a masked
model that fills the hole (`mimviz.judges.double_trouble`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..core import Heatmap
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._asking import Frame, Removal, Scale, Unit, cells, counts, frames, rank, without
from .removal import Fill


@dataclass(frozen=True)
class Deletion:
    """Area under the score as the highest cells go, in `steps` equal steps; lower is better.

    unit: cells are the model's patches or single pixels. scale: of the score, the target's probability as in the paper.
    """

    removal: Removal = field(default_factory=Fill)
    steps: int = 32
    unit: Unit = "patch"
    scale: Scale = "probability"
    seed: int = 0
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        hidden = self.hidden(scene, heat)
        scores = without(scene, hidden, self.removal, self.scale).T.cpu()  # (B, steps + 1)
        curve = Curve(hidden[:, 0].float().mean((1, 2)).cpu(), scores, y_label=self.scale)
        return Score(curve.area(), self, curve)

    def hidden(self, scene: Scene, heat: Heatmap) -> Tensor:
        """(steps + 1, B, rows, cols) boolean: what is gone at each step."""
        place = rank(cells(scene, heat, self.unit), seed=self.seed)
        return place < counts(place[0].numel(), self.steps).to(place.device)[:, None, None, None]

    def frames(self, scene: Scene, heat: Heatmap) -> Iterator[Frame]:
        """The same, step by step, with the pictures that the model gets."""
        return frames(scene, self.hidden(scene, heat), self.removal, self.scale)
