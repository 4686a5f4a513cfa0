"""SimMIM: A Simple Framework for Masked Image Modeling. Xie, Zhang, Cao, Lin, Bao, Yao, Dai, Hu. CVPR 2022. arXiv 2111.09886.

A mask token inside the full-length encoder, one linear layer to raw pixels, L1 on hidden patches. Equal to Hugging Face's
ViTForMaskedImageModeling on the same weights and mask (tests/parity/test_simmim.py).
"""

from __future__ import annotations

from ..grammar import MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import absolute
from ..grammar.targets import Pixels
from ..grammar.where import Units
from ..vit import Encoder


def simmim(encoder: Encoder, *, ratio=0.6, unit=2) -> MaskedModel:
    """unit: side of a hidden square in patches (the paper's 32 pixels are 2 patches of 16)."""
    target = Pixels(encoder.grid, normalize=False)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    how = MaskToken(encoder.content_width)
    return MaskedModel(
        encoder, where=Units(ratio, unit), how=how, target=target, decoder=decoder, loss=absolute, name="simmim"
    )
