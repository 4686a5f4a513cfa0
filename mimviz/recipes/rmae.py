"""R-MAE: Regions Meet Masked Autoencoders. Nguyen, Aggarwal, Li, Oswald, Kirillov, Snoek, Chen. ICLR 2024. arXiv 2306.05411.

Beside the pixels, MAE completes maps of regions that an old segmentation finds without labels: which pixels of a hidden patch
belong to the part whose other patches are visible? Regions are a set, in no order; pixels never look at them. The layers, one block
of 128 and a memory of its own for the regions, and the weight 1 are read beside the authors' code (facebookresearch/r-mae,
RegionQueryRMAE, the paper's "length" variant). region_weight=0 is MAE, bit for bit.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import RegionDecoder
from ..grammar.targets import RegionMaps
from ..vit import Encoder, evaluating
from .mae import mae


class RMAE(MaskedModel):
    regions: RegionMaps
    region_decoder: RegionDecoder
    weight: float

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        seen = self.encode(images, mask)
        terms = {"regions": self.weight * self._region_loss(images, seen, mask)} if self.weight else {}
        return self.compare(self.decoder(seen, mask), images, mask, **terms)

    @torch.no_grad()
    def complete(self, images: Tensor, mask: Mask, regions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Maps (B, R, N, patch²) of 0 and 1, the largest regions unless given, and the chance of each pixel to be inside."""
        with evaluating(self):
            mask, regions = self._mask(images, mask), self.regions(images) if regions is None else regions
            return regions, self.region_decoder(regions, self.encode(images, mask), mask).sigmoid()

    def _region_loss(self, images: Tensor, seen: Tensor, mask: Mask) -> Tensor:
        """Cross-entropy on hidden patches; in training of regions drawn at random."""
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ()))) if self.training else None
        truth = self.regions(images, generator).to(seen.dtype)
        logits = self.region_decoder(truth, seen, mask)
        wrong = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((1, 3))  # (B, N)
        return (wrong * mask.predict).sum() / mask.predict.sum().clamp(min=1)


def rmae(
    encoder: Encoder,
    *,
    region_weight=1.0,
    regions: RegionMaps | None = None,
    region_dim=128,
    region_depth=8,
    ratio=0.75,
    normalize=True,
    dim=512,
    depth=8,
    heads=None,
) -> RMAE:
    """regions: how they are found, `targets.RegionMaps(grid)` unless told. region_dim, region_depth: of their decoder."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    model = RMAE(encoder, **base.words, name="r-mae")
    model.weight, model.regions = region_weight, regions or RegionMaps(encoder.grid)
    if region_weight:
        grid, prefix = encoder.grid, encoder.prefix
        model.region_decoder = RegionDecoder(encoder.width, grid, prefix=prefix, dim=region_dim, depth=region_depth)
    return model
