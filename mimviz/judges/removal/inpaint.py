"""Inpaint: a masked model paints what is taken away (after Kim et al., Input Marginalization, EMNLP 2020, arXiv 2010.13984).

Grey squares and blurs are pictures that no network ever saw. A masked model was trained to fill exactly such holes, so what stands
in them afterwards is plausible, and what the rest of the picture tells anyway is not counted as lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...core import Mask, seeded
from ...vit import Scene, evaluating
from .painting import Painting, repeated

BATCH = 32


@dataclass(frozen=True)
class Inpaint(Painting):
    """mim: a masked model with pixels as its target, e.g. `mimviz.load_mim("tiny")`; it may see the picture at another size.

    A patch of the masked model is hidden as soon as one pixel of it is. context: the share of the other patches that it is shown;
    below 1 they are drawn by `seed`, which makes each seed another sample of the same hole.
    """

    mim: Any = field(repr=False)
    context: float = 1.0
    seed: int = 0

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, 3, H, W): the model's own pixels where nothing is hidden."""
        images, over = repeated(scene, hidden)
        return torch.where(over, self._painted(scene, images, over), images)

    @torch.no_grad()
    def _painted(self, scene: Scene, images: Tensor, over: Tensor) -> Tensor:
        """(M, 3, H, W) normalized as the scene's model wants it → the same with the holes of `over` painted."""
        mim, grid = self.mim, self.mim.grid
        there, back = _scales(scene, mim)
        small = there(F.interpolate(images, (grid.height, grid.width), mode="bilinear", antialias=True))
        holes = F.adaptive_max_pool2d(over.float(), grid.shape).flatten(1) > 0  # (M, N)
        unseen = self._unseen(holes)
        painted = small.clone()
        counts = unseen.sum(1)
        with evaluating(mim):
            for count in counts.unique().tolist():
                if not 0 < count < grid.count:
                    continue
                for some in (counts == count).nonzero()[:, 0].split(BATCH):
                    mask = Mask(unseen[some], None, grid.shape)  # type: ignore[arg-type]
                    painted[some] = mim(small[some], mask).filled.to(painted)
        whole = F.interpolate(back(painted), images.shape[-2:], mode="bilinear", antialias=True)
        nothing_left = (counts == grid.count)[:, None, None, None]
        return torch.where(nothing_left, torch.zeros_like(whole), whole)

    def _unseen(self, holes: Tensor) -> Tensor:
        """(M, N): the holes and, where `context` < 1, a share of what is around them; equal masks draw equally."""
        if self.context >= 1:
            return holes
        noise = torch.rand(holes.shape[1], generator=seeded(self.seed)).to(holes.device)
        return holes | (noise > self.context)


def _scales(scene: Scene, mim: Any):
    """From the scene's normalisation to the masked model's, and back."""

    def three(values: tuple[float, float, float]) -> Tensor:
        return scene.images.new_tensor(values)[:, None, None]

    mean, std = three(scene.anatomy.mean), three(scene.anatomy.std)
    other_mean, other_std = three(mim.encoder.mean), three(mim.encoder.std)
    return (
        lambda x: ((x * std + mean) - other_mean) / other_std,
        lambda x: ((x * other_std + other_mean) - mean) / std,
    )
