"""RISE: Randomized Input Sampling for Explanation of Black-box Models. Petsiuk, Das, Saenko. BMVC 2018. arXiv 1806.07421.

The mean of random masks, weighted by the score of the picture they leave (equation 6). Masks are small random grids, enlarged
and shifted (section 3.2). `remove="drop"` keeps a fixed share of a ViT's patches instead and leaves the others out of its
sequence, so that a pass costs only what is kept: the same as attention that is −∞ at the others, and another removal than the
paper's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Heatmap, seeded
from ..vit import Scene
from ..vit.dropping import Dropping, Remove
from ._probing import Partial, Probe, last, scores


@dataclass(frozen=True)
class RISE:
    """(B, H, W), or (B, rows, cols) with "drop": the mean score of pictures in which a place is to be seen.

    samples: masks, one pass each. cells: rows and columns of the small random grid. keep: the share that is seen. center:
    whether the mean score is taken from every score first, which leaves the expected order of places and takes much of the noise
    (signed then). remove: "fill" multiplies the normalized picture, so that what is hidden has the mean colour; "drop" leaves
    tokens out.
    """

    samples: int = 1000
    cells: int = 8
    keep: float = 0.5
    center: bool = True
    remove: Remove = "fill"
    seed: int = 0
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.samples

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map of the masks so far."""
        if not 0 < self.keep < 1 or self.cells < 1:
            raise ValueError(
                f"keep={self.keep}, cells={self.cells}, but a share between 0 and 1 and at least 1 cell is wanted"
            )
        probe = Probe(scene, self.samples, batch=self.batch)
        hide = Dropping(scene) if self.remove == "drop" else None
        B, images = len(scene), scene.images

        def ask(i: int, j: int) -> Tensor:
            masks = self.masks(scene, i, j)  # (K, …)
            seen = hide.scores(masks == 0) if hide else scores(scene, (masks[:, None, None] * images).flatten(0, 1))
            flat = masks.flatten(1)
            return torch.cat([seen.T.to(flat) @ flat, seen.sum(0)[:, None].to(flat), flat.sum(0).expand(B, -1)], 1)

        sums, shape = 0.0, self.masks(scene, 0, 1).shape[1:]
        for _, _, part in probe(ask):
            sums = sums + part
            N = (sums.shape[1] - 1) // 2
            weighted, total, count = sums[:, :N], sums[:, N : N + 1], sums[:, N + 1 :]
            if self.center:
                weighted = weighted - total / probe.done * count
            values = (weighted / (probe.done * self.keep)).reshape(B, *shape).float()
            yield probe.partial(values, self, signed=self.center or bool((values < 0).any()))

    def masks(self, scene: Scene, start: int, stop: int) -> Tensor:
        """The masks of these passes, 0 hidden to 1 seen: (K, H, W), or (K, rows, cols) with "drop"."""
        device = scene.images.device
        if self.remove == "drop":
            rows, cols = scene.grid.shape
            kept = max(round(self.keep * rows * cols), 1)
            ranks = torch.stack(
                [torch.rand(rows * cols, generator=seeded(self.seed + i)) for i in range(start, stop)]
            ).argsort(1)
            return (ranks.argsort(1) < kept).float().reshape(-1, rows, cols).to(device)
        H, W = scene.images.shape[-2:]
        return torch.stack([_smooth(self, H, W, self.seed + i) for i in range(start, stop)]).to(device)


def _smooth(by: RISE, H: int, W: int, seed: int) -> Tensor:
    """(H, W): a random grid of cells, enlarged to one cell more than the picture and cropped at a random shift."""
    generator, cell = seeded(seed), (-(-H // by.cells), -(-W // by.cells))
    grid = (torch.rand(1, 1, by.cells, by.cells, generator=generator) < by.keep).float()
    y, x = (int(torch.randint(each, (), generator=generator)) for each in cell)
    size = ((by.cells + 1) * cell[0], (by.cells + 1) * cell[1])
    large = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    return large[0, 0, y : y + H, x : x + W]
