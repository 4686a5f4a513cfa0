"""Improving Pixel-based MIM by Reducing Wasted Modeling Capability. Liu, Zhang, Chen, Yu, Chen, Lin. ICCV 2023. arXiv 2308.00261.

MAE whose decoder gets a weighted mean of several layers, so that the shallow ones can carry the detail of pixels and the deep ones
need not. The weights are learned: `model.shares` says which layers the pixels come from. Read beside the authors' MFFViT
(open-mmlab/mmpretrain); all weight on the last layer is MAE, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Mask
from ..grammar import MaskedModel
from ..grammar.blockwise import blockwise
from ..vit import Encoder
from .mae import mae


class MFF(MaskedModel):
    """`layers`: blocks whose tokens are joined, the last block among them and at the end."""

    def fuse(self, layers: Sequence[int]) -> MFF:
        self.layers, width = tuple(layers), self.encoder.width
        self.projections = nn.ModuleList(nn.Linear(width, width) for _ in self.layers[:-1])
        self.weights = nn.Parameter(torch.ones(len(self.layers)))
        return self

    @property
    def shares(self) -> Tensor:
        """(layers,): the weight of each layer; they sum to 1."""
        return self.weights.softmax(0).detach()

    def predict(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N D"]:
        *early, last = blockwise(self, images, mask, self.layers)
        rows = [project(x) for project, x in zip(self.projections, early, strict=True)] + [last]
        fused = (torch.stack(rows) * self.weights.softmax(0).view(-1, 1, 1, 1)).sum(0)  # (B, prefix + K, width)
        return self.decoder(self.encoder.vit.norm(fused), mask)


def mff(
    encoder: Encoder, *, layers: Sequence[int] | None = None, ratio=0.75, normalize=True, dim=512, depth=8, heads=None
) -> MFF:
    """layers: 0, 2, 4, 6, 8 and 11 of 12 in the paper, and the same parts of the depth of another encoder. The rest is MAE's."""
    count = len(encoder.anatomy.blocks)
    layers = sorted({*(part * count // 12 for part in (0, 2, 4, 6, 8)), count - 1}) if layers is None else layers
    if not layers or list(layers) != sorted({*layers}) or layers[0] < 0 or layers[-1] != count - 1:
        raise ValueError(f"layers are {list(layers)}, but ascending ones of 0..{count - 1} with the last are wanted")
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    return MFF(encoder, **base.words, name="mff").fuse(layers)
