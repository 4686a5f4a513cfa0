"""Decoders say which tokens they cannot decode."""

import pytest
import torch

import mimviz as mv
from mimviz.grammar.decoders import Linear, Transformer

GRID = mv.Grid(4, 4, 8)
MASK = mv.Mask.random(GRID, ratio=0.5)


def test_a_transformer_wants_the_visible_patches_alone():
    decoder = Transformer(12, 6, GRID, prefix=1, dim=32, depth=0)
    assert decoder(torch.randn(1, 9, 12), MASK).shape == (1, 16, 6)
    with pytest.raises(ValueError, match=r"hands on 16 patches, but 8 are visible.*Drop"):
        decoder(torch.randn(1, 17, 12), MASK)


def test_a_linear_decoder_wants_every_patch():
    decoder = Linear(12, 6, prefix=1)
    assert decoder(torch.randn(1, 17, 12), MASK).shape == (1, 16, 6)
    with pytest.raises(ValueError, match=r"8 of 16 patches.*MaskToken"):
        decoder(torch.randn(1, 9, 12), MASK)
