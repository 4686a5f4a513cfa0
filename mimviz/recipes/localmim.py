"""Masked Image Modeling with Local Multi-Scale Reconstruction. Wang, Tang, Wang, Guo, Deng, Han. CVPR 2023. arXiv 2303.05251.

Four layers of the encoder reconstruct, not the last alone, so that the lower ones are told what to do without the way through
the others: each has a norm and a small decoder of its own, the lower ones for fine histograms of oriented gradients, the upper
ones for coarse ones (4, 2, 1 and 1/2 cells along a patch). Layers, decoders, targets, and how a coarse cell counts that is
hidden in part are read beside the authors' code (huawei-noah/Efficient-Computing, LocalMIM/ViT/models_mim.py), whose loss a slow
twin repeats in tests/recipes/test_localmim.py. Its sum of means over hidden cells is a mean over hidden patches.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.blockwise import blockwise
from ..grammar.decoders import Locals
from ..grammar.how import Drop
from ..grammar.losses import OfScales
from ..grammar.targets import Scales
from ..grammar.targets.scales import spread
from ..grammar.where import Highest
from ..vit import Encoder

TIMES = (4.0, 2.0, 1.0, 0.5)


class LocalMIM(MaskedModel):
    """`layers`: the block whose tokens each of the `target.times` is decoded from. A weight of 0 in `loss` turns a layer off."""

    target: Scales
    loss: OfScales
    layers: tuple[int, ...]

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        parts = self.decoder(blockwise(self, images, mask, self.layers), mask)
        return torch.cat([spread(x, self.grid, t) for x, t in zip(parts, self.target.times, strict=True)], -1)

    def losses(self, outcome: Outcome) -> Tensor:
        """(B, N, scales): what each scale says of each patch, without weights."""
        return self.loss.parts(outcome.guess, outcome.truth)


def localmim(
    encoder: Encoder, *, layers: Sequence[int] | None = None, weights=(1.0, 1.0, 1.0, 1.0), ratio=0.75, dim=256, depth=1, heads=8
) -> LocalMIM:  # fmt: skip
    """layers: blocks 1, 3, 9 and 11 of 12 in the paper (of fewer than 6 some serve two scales). dim, depth, heads: of each decoder.

    weights: of the scales, from fine to coarse. ValueError for a grid with an odd number of rows or columns.
    """
    last = len(encoder.anatomy.blocks) - 1
    layers = sorted((min(1, last), min(3, last), max(last - 2, 0), last)) if layers is None else layers
    if len(layers) != len(TIMES) or len(weights) != len(TIMES) or not all(0 <= each <= last for each in layers):
        raise ValueError(
            f"layers are {list(layers)} and weights {list(weights)}, but four of 0..{last} and four are wanted"
        )
    target = Scales(encoder.grid, TIMES)
    decoder = Locals(
        encoder.width, 3 * target.bins, encoder.grid, TIMES, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads
    )
    loss = OfScales(target.widths, tuple(weights))
    model = LocalMIM(
        encoder, where=Highest(ratio), how=Drop(), target=target, decoder=decoder, loss=loss, name="localmim"
    )
    model.layers = tuple(layers)
    return model
