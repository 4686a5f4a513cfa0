"""BEiT: BERT Pre-Training of Image Transformers. Bao, Dong, Piao, Wei. ICLR 2022. arXiv 2106.08254.

Not colours but words: a tokenizer gives every patch a code, blocks hide 40 % of the patches (75 of 196), a mask token stands in,
and one linear layer names the codes of what is hidden, by cross-entropy. The paper's tokenizer is DALL·E's dVAE with 8192 words;
here k-means of the bundled pictures is the stand-in, made in a second, unless `codes` are given. Equal to Hugging Face's
BeitForMaskedImageModeling on the same weights, mask and codes (tests/parity/test_beit.py); its relative position biases belong to
the encoder, mv.encoder("beit_base_patch16_224").
"""

from __future__ import annotations

from typing import Any

from ..grammar import MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import cross_entropy
from ..grammar.targets import Codes
from ..grammar.where import Blocks
from ..vit import Encoder


def beit(encoder: Encoder, *, codes: Any = None, count=64, ratio=0.4) -> MaskedModel:
    """codes: a tokenizer, see `grammar.targets.Codes`; k-means of the bundled pictures with `count` words unless told."""
    codes = codes or Codes.by_kmeans(encoder.grid, mean=encoder.mean, std=encoder.std, count=count)
    decoder = Linear(encoder.width, codes.count, prefix=encoder.prefix)
    how = MaskToken(encoder.content_width)
    where = Blocks.on(encoder.grid, ratio)
    return MaskedModel(encoder, where=where, how=how, target=codes, decoder=decoder, loss=cross_entropy, name="beit")
