"""Regions: one region hidden whole, all others in proportion (CRFR-P, Wang et al., CVPR 2025, arXiv 2412.12032)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from skimage.segmentation import slic
from torch import Generator, Tensor

from ...core import Grid, Mask, keep_count


@dataclass(frozen=True)
class Superpixels:
    """labels(images, grid) → (B, N): about `count` SLIC superpixels (Achanta et al., TPAMI 2012).

    A patch is of the one that most of it lies in.
    """

    count: int = 8
    compactness: float = 10.0

    def __call__(self, images: Tensor, grid: Grid) -> Int[Tensor, "B N"]:
        k = 4  # points along the side of a patch
        small = F.interpolate(images.detach().float(), (grid.rows * k, grid.cols * k), mode="area").cpu()
        low, high = small.amin((1, 2, 3), keepdim=True), small.amax((1, 2, 3), keepdim=True)
        rgb = ((small - low) / (high - low).clamp_min(1e-6)).permute(0, 2, 3, 1).double().numpy()
        found = [slic(each, n_segments=self.count, compactness=self.compactness, start_label=0) for each in rgb]
        fine = Grid(grid.rows, grid.cols, k).patchify(torch.stack([torch.from_numpy(f) for f in found])[:, None])
        return fine.mode(-1).values.to(images.device)


@dataclass(frozen=True)
class Regions:
    """where(images, grid) → Mask: all patches of one random region, and of each other region the same share, `ratio` in all.

    labels: a function (images, grid) → whole numbers (B, N), such as a face parser's; below zero is background, which is never the
    region hidden whole. A region of more patches than may be hidden is hidden in part.
    """

    ratio: float = 0.75
    labels: Callable[[Tensor, Grid], Tensor] = Superpixels()

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        return self.draw(images, grid, generator)[0]

    def draw(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> tuple[Mask, Bool[Tensor, "B N"]]:
        """The mask, and which patches (B, N) belong to the region hidden first."""
        labels = self.labels(images, grid).cpu()
        drawn = [self._one(each, grid, generator) for each in labels]
        hidden, chosen = (torch.stack(each).to(images.device) for each in zip(*drawn, strict=True))
        return Mask(hidden, None, grid.shape), chosen  # type: ignore[arg-type]

    def _one(self, labels: Tensor, grid: Grid, generator: Generator | None) -> tuple[Tensor, Tensor]:
        regions = labels.unique()
        candidates = regions[regions >= 0] if (regions >= 0).any() else regions
        whole = candidates[torch.randint(len(candidates), (), generator=generator)]
        budget = grid.count - keep_count(grid.count, self.ratio)
        sizes = torch.stack([(labels == each).sum() for each in regions])
        first = torch.where(regions == whole, sizes.clamp(max=budget), 0)
        counts = first + _shared(sizes * (regions != whole), budget - int(first.sum()))
        noise, hidden = torch.rand(grid.count, generator=generator), torch.zeros(grid.count, dtype=torch.bool)
        for region, count in zip(regions, counts.tolist(), strict=True):
            hidden[noise.masked_fill(labels != region, 2.0).argsort()[:count]] = True
        return hidden, (labels == whole) & hidden


def _shared(sizes: Tensor, budget: int) -> Tensor:
    """Whole numbers that add up to `budget`, in proportion to the sizes, none more than one off: largest remainders first."""
    exact = sizes * (budget / max(int(sizes.sum()), 1))
    counts = exact.floor().long()
    rest = (exact - counts).masked_fill(sizes == 0, -1.0).argsort(descending=True, stable=True)
    counts[rest[: budget - int(counts.sum())]] += 1
    return counts
