"""RISE: Randomized Input Sampling for Explanation of Black-box Models. Petsiuk, Das, Saenko. BMVC 2018. arXiv 1806.07421.

Insertion (section 4.3): from an empty picture, the cells that a map calls important come back first; the faster the score rises,
the better the map. The authors begin with a blurred picture, `Insertion(Fill("blur"))`, so that the edges of islands tell nothing.
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
class Insertion:
    """Area under the score as the highest cells come back, in `steps` equal steps; higher is better. Fields as of `Deletion`."""

    removal: Removal = field(default_factory=lambda: Fill("blur"))
    steps: int = 32
    unit: Unit = "patch"
    scale: Scale = "probability"
    seed: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        hidden = self.hidden(scene, heat)
        scores = without(scene, hidden, self.removal, self.scale).T.cpu()  # (B, steps + 1)
        shown = 1 - hidden[:, 0].float().mean((1, 2)).cpu()
        curve = Curve(shown, scores, x_label="share shown", y_label=self.scale)
        return Score(curve.area(), self, curve)

    def hidden(self, scene: Scene, heat: Heatmap) -> Tensor:
        """(steps + 1, B, rows, cols) boolean: what is still gone at each step."""
        place = rank(cells(scene, heat, self.unit), seed=self.seed)
        return place >= counts(place[0].numel(), self.steps).to(place.device)[:, None, None, None]

    def frames(self, scene: Scene, heat: Heatmap) -> Iterator[Frame]:
        """The same, step by step, with the pictures that the model gets."""
        return frames(scene, self.hidden(scene, heat), self.removal, self.scale)
