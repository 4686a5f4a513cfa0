"""Benchmarking Attribution Methods with Relative Feature Importance. Yang, Kim. 2019. arXiv 1907.09701.

What is right is known only where it was planted. The method that made the map is asked to explain a ViT whose logit reads the red
patch of a picture and nothing else (`mimviz.vit.planted`), on the scene's own grid; its map must lie there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ..core import Grid, Heatmap
from ..core.score import Better, Score
from ..data.planted import planted
from ..vit import Scene
from ..vit.planted import TARGET, planted_vit
from ._asking import cells, lens_of


@dataclass(frozen=True)
class PlantedFeature:
    """Share of `patches` whose planted place is the map's highest, 0..1; higher is better. The same number for every picture.

    patches: how many places are tried, spread over the grid. Needs the map's method, not its values.
    """

    patches: int = 4
    seed: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        grid = Grid(scene.grid.rows, scene.grid.cols, 8)
        if not 1 <= self.patches <= grid.count:
            raise ValueError(f"patches is {self.patches}, but 1..{grid.count} can be planted in this grid")
        places = torch.linspace(0, grid.count - 1, self.patches + 2)[1:-1].round().long()
        pictures = [planted(grid, int(place), seed=self.seed + index) for index, place in enumerate(places)]
        known = Scene(planted_vit(grid, seed=self.seed), pictures, target=TARGET)
        found = cells(known, lens_of(heat, self)(known), "patch").flatten(1).argmax(1).cpu()
        return Score((found == places).float().mean().expand(len(scene)).clone(), self)
