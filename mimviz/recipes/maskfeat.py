"""Masked Feature Prediction for Self-Supervised Visual Pre-Training. Wei, Fan, Xie, Wu, et al. CVPR 2022. arXiv 2112.09133.

SimMIM's sentence with another target: not colours but histograms of oriented gradients, which keep edges and forget brightness.
Blocks hide 40 %, a mask token stands in, one linear layer predicts, squared error (section 3). The histograms are compared in
the tests with a loop over pixels; they are read beside PySlowFast's HOGLayerC.
"""

from __future__ import annotations

from ..grammar import MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import squared
from ..grammar.targets import HOG
from ..grammar.where import Blocks
from ..vit import Encoder


def maskfeat(encoder: Encoder, *, ratio=0.4, bins=9) -> MaskedModel:
    """bins: directions that are told apart, over 180°."""
    target = HOG(encoder.grid, bins)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    how = MaskToken(encoder.content_width)
    where = Blocks.on(encoder.grid, ratio)
    return MaskedModel(encoder, where=where, how=how, target=target, decoder=decoder, loss=squared, name="maskfeat")
