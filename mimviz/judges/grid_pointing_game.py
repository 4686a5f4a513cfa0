"""Towards Better Understanding Attribution Methods. Rao, Böhle, Schiele. CVPR 2022. arXiv 2205.10435.

GridPG (section 3.1; first in Böhle et al., CVPR 2021, arXiv 2104.00032): pictures of different classes are set side by side in one
mosaic. A map for the class of one of them should lie on it, and nothing on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import Heatmap
from ..core.score import Better, Score
from ..data import image, images
from ..vit import Scene
from ._asking import lens_of
from ._scenes import anew, asked


@dataclass(frozen=True)
class GridPointingGame:
    """Share of the positive mass on the picture asked for, in a mosaic of `side × side`; higher is better, chance is 1 / side².

    others: pictures for the other cells (whatever `mimviz.image` opens), else the scene's other pictures and then the bundled ones.
    Pictures are scaled down, so that the mosaic has the size the model takes. The scene's own picture lies in the first cell.
    """

    side: int = 2
    others: Any = None
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        if self.side < 2:
            raise ValueError(f"side is {self.side}, but a mosaic has at least 2 × 2 pictures")
        lens, classes = lens_of(heat, self), asked(scene)
        mosaics = torch.stack([self._mosaic(scene, index) for index in range(len(scene))])
        found = lens(anew(scene, images=mosaics, target=classes)).values.clamp_min(0).float()
        rows, cols = (size // self.side for size in found.shape[1:])
        return Score((found[:, :rows, :cols].sum((1, 2)) / found.sum((1, 2))).cpu(), self)

    def _mosaic(self, scene: Scene, index: int) -> Tensor:
        """(3, H, W): the scene's picture in the first cell, row by row the others."""
        H, W = scene.images.shape[-2:]
        many = torch.cat([scene.images[index : index + 1], self._around(scene, index)])[: self.side**2]
        small = F.interpolate(many, (H // self.side, W // self.side), mode="bilinear", antialias=True)
        rows = [torch.cat(list(row), dim=2) for row in small.split(self.side)]
        whole = torch.cat(rows, dim=1)
        return F.pad(whole[None], (0, W - whole.shape[2], 0, H - whole.shape[1]), mode="replicate")[0]

    def _around(self, scene: Scene, index: int) -> Tensor:
        """(at least side² − 1, 3, H, W), normalized."""
        wanted, parts = self.side**2 - 1, scene.anatomy
        given = [] if self.others is None else [image(each) for each in self.others]
        mine = [each[None] for i, each in enumerate(scene.images) if i != index] if self.others is None else []
        bundled = [image(name) for name in images()]
        size = scene.images.shape[-2:]
        opened = (
            each.fit(*size).tensor(mean=parts.mean, std=parts.std).to(scene.images) for each in (*given, *bundled)
        )
        found = [*mine[:wanted]]
        while len(found) < wanted:
            found.append(next(opened))
        return torch.cat(found)
