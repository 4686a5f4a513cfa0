"""RegionMaps: parts of a picture of like colour, as maps of 0 and 1 (R-MAE, Nguyen et al., ICLR 2024, arXiv 2306.05411)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from skimage.segmentation import felzenszwalb
from torch import Generator, Tensor

from ...core import Grid


@dataclass(frozen=True)
class RegionMaps:
    """regions(images) → (B, count, N, patch²), 1 where a pixel belongs to the region.

    Felzenszwalb and Huttenlocher's graph-based segmentation (IJCV 2004). Each picture gives `count` of its regions, drawn at random
    with a generator and the largest ones without; they come again where there are fewer. scale: larger makes larger regions.
    smallest: the fewest pixels of a region, as a share of the picture; the authors' 1000 of some 200,000 pixels.
    """

    grid: Grid
    count: int = 8
    scale: float = 1000.0
    smallest: float = 0.005

    @torch.no_grad()
    def __call__(
        self, images: Float[Tensor, "B 3 H W"], generator: Generator | None = None
    ) -> Float[Tensor, "B R N D"]:
        maps = torch.stack([self._one(image, generator) for image in images.float().cpu()])
        patches = self.grid.patchify(maps.flatten(0, 1)[:, None].to(images))  # (B · count, N, patch²)
        return patches.unflatten(0, (len(images), self.count))

    def segments(self, image: Float[Tensor, "3 H W"]) -> np.ndarray:
        """(H, W): the number of each pixel's region. Colours are stretched to 0..1, whatever they were normalized with."""
        rgb = image.permute(1, 2, 0).numpy().astype(np.float64)
        rgb = (rgb - rgb.min()) / max(float(np.ptp(rgb)), 1e-9)
        return felzenszwalb(rgb, scale=self.scale, min_size=max(round(self.smallest * rgb[..., 0].size), 1))

    def _one(self, image: Tensor, generator: Generator | None) -> Tensor:
        numbers = torch.from_numpy(self.segments(image))
        found, sizes = numbers.unique(return_counts=True)
        order = sizes.argsort(descending=True, stable=True)
        if generator is not None:
            order = torch.randperm(len(found), generator=generator)
        chosen = found[order[torch.arange(self.count) % len(found)]]
        return (numbers == chosen[:, None, None]).float()
