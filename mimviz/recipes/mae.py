"""Masked Autoencoders Are Scalable Vision Learners. He, Chen, Xie, Li, Dollár, Girshick. CVPR 2022. arXiv 2111.06377.

The encoder sees only the visible quarter; a light decoder paints the rest. Equal to Hugging Face's ViTMAEForPreTraining on the same
weights and noise (tests/parity/test_mae.py). Pre-train with fixed positions: encoder(..., positions="sincos").
"""

from __future__ import annotations

from typing import Literal

from ..grammar import MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.how import Drop
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder

BLR = 1.5e-4  # appendix A.1, table 8: with AdamW, betas 0.9 and 0.95


def mae(
    encoder: Encoder, *, ratio=0.75, normalize=True, dim=512, depth=8, heads=None,
    blr: float | Literal["paper"] | None = None,
) -> MaskedModel:  # fmt: skip
    """dim, depth, heads: of the decoder (512, 8 and 16 in the paper).

    normalize: predict each patch minus its mean, over its spread, instead of plain pixels. blr: the base learning rate that `fit`
    shall keep to, else it warns; "paper": 1.5e-4, so lr = 1.5e-4 · batch / 256 (`tune.scaled_lr`).
    """
    target = Pixels(encoder.grid, normalize=normalize)
    decoder = Transformer(
        encoder.width, target.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads
    )
    return MaskedModel(
        encoder, where=Highest(ratio), how=Drop(), target=target, decoder=decoder, loss=squared, name="mae",
        blr=BLR if blr == "paper" else blr,
    )  # fmt: skip
