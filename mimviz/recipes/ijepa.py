"""Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture. Assran et al. CVPR 2023. arXiv 2301.08243.

From one large block of the picture, predict what a slow copy of the encoder says in four others: features, never pixels. What may
be seen and what is predicted are two facts here: patches outside both are hidden and not asked for. Read beside
facebookresearch/ijepa: the predictor sees the context and one block at a time, targets are layer-normed, smooth L1 with β = 1
(the paper writes squared), momentum 0.996 → 1. With a mask from outside, all that it predicts is one block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.decoders import Predictor
from ..grammar.how import Drop
from ..grammar.losses import SmoothL1
from ..grammar.targets import Features
from ..grammar.where import MultiBlock
from ..vit import Encoder


class IJEPA(MaskedModel):
    """Rows of the outcome are patches of blocks, one block after the other; a patch of two blocks is there twice."""

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if mask is not None or not isinstance(self.where, MultiBlock):
            return super().forward(images, mask)
        mask, blocks = self.where.draw(images, self.grid)
        seen = self.encode(images, mask)
        ids = [Mask(block).hidden_ids for block in blocks.unbind(1)]
        guess = torch.cat([self.decoder.some(seen, mask, each) for each in ids], dim=1)  # type: ignore[operator]
        where = torch.cat(ids, dim=1)
        truth = self.target(images, mask)
        truth = truth.gather(1, where[..., None].expand(-1, -1, truth.shape[-1]))
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), where)


def ijepa(encoder: Encoder, *, blocks=4, dim=384, depth=6, heads=None, momentum=0.996, end=1.0, steps=1000) -> IJEPA:
    """blocks: to predict. dim, depth, heads: of the predictor (384, 6 and 12 in the paper's ViT-B).

    momentum: goes to `end` in `steps`.
    """
    teacher = EMA(encoder, momentum=momentum, end=end, steps=steps)
    target = Features(teacher, whole="layer")
    predictor = Predictor(
        encoder.width, target.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads
    )
    return IJEPA(
        encoder, where=MultiBlock(blocks), how=Drop(), target=target, decoder=predictor, loss=SmoothL1(1.0),
        teacher=teacher, name="ijepa",
    )  # fmt: skip
