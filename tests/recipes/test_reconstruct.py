"""Bad input to a reconstruction: each says value, wish and cause."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Mask


@pytest.fixture
def mim():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, dim=16, depth=1, normalize=False).eval()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Mask.random(mv.Grid(7, 7, 8)), r"mask has 7 x 7 patches.*grid is 4 x 4"),
        (Mask.none(mv.Grid(4, 4, 8)), r"0 of 16 patches are hidden"),
        (Mask.all(mv.Grid(4, 4, 8)), r"all 16 patches are hidden"),
        (np.zeros((4, 4)), r"0 of 16 patches are hidden"),
        (np.full((4, 4), np.nan), r"holds .*nan"),
    ],
    ids=["other grid", "nothing hidden", "all hidden", "array of zeros", "array of nan"],
)
def test_masks_that_cannot_be(mim, mask, message):
    with pytest.raises(ValueError, match=message):
        mim.reconstruct(mv.image("astronaut"), mask)


def test_pictures_with_nan(mim):
    bad = torch.rand(3, 32, 32)
    bad[0, 3, 4] = float("nan")
    with pytest.raises(ValueError, match=r"(?i)nan"):
        mim.reconstruct(bad)


def test_weights_with_nan(mim):
    mim.decoder.head.bias.data[5] = float("nan")
    with pytest.raises(ValueError, match=r"16 of 3072 values that mae guessed are NaN"):
        mim.reconstruct(mv.image("astronaut"))


def test_unknown_statistics_and_ratios(mim):
    with pytest.raises(ValueError, match="'visible' or 'true'"):
        mim.reconstruct(mv.image("astronaut"), statistics="oracle")
    with pytest.raises(ValueError, match=r"0\.\.1"):
        mim.reconstruct(mv.image("astronaut"), ratio=75)


def test_any_source_any_shape(mim):
    for source in (np.zeros((1, 1, 3), np.uint8), torch.rand(3, 90, 20), "astronaut"):
        assert mim.reconstruct(source).picture.array.shape == (32, 32, 3)


def test_an_array_of_truth_values_is_a_mask(mim):
    hidden = np.zeros((4, 4), bool)
    hidden[1, 2] = True
    outcome = mim.reconstruct("astronaut", hidden)
    assert outcome.mask.count == 1
    changed = (outcome.pasted.array != outcome.original.array).any(-1)
    assert not changed[:8].any() and changed[8:16, 16:24].any() and not changed[16:].any()


def test_threads_share_a_model_in_training_mode(mim):
    encoder = mv.encoder(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=2, proj_drop_rate=0.5
    )
    model = mv.recipes.mae(encoder, dim=16, depth=1).train()
    expected = model.reconstruct("cat", seed=1).guess
    with ThreadPoolExecutor(4) as pool:
        guesses = list(pool.map(lambda _: model.reconstruct("cat", seed=1).guess, range(60)))
    assert all(torch.equal(guess, expected) for guess in guesses)
    assert all(module.training for module in model.modules())


def test_a_mask_that_is_none_is_told_so(mim):
    with pytest.raises(TypeError, match="ndarray, but a Mask"):
        mim(torch.zeros(1, 3, 32, 32), np.zeros((4, 4), bool))
