import math
import pickle

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Heatmap, Mask, Outcome
from mimviz.core.outcome import View

GRID = Grid(2, 2, 2)
HALF = (0.5, 0.5, 0.5)


def made(guess_value: float, hidden) -> Outcome:
    """A grey picture of 0.5 (normalized: 0) and a constant guess."""
    images = torch.zeros(1, 3, 4, 4)
    guess = torch.full((1, 4, 12), guess_value)
    view = View(images, GRID, HALF, HALF, lambda guess: guess)
    where = torch.arange(4)[None]
    return Outcome(Mask.from_array(hidden), guess, torch.zeros_like(guess), guess.square().mean(-1), where, view)


def test_pasted_picture_error_and_psnr_by_hand():
    outcome = made(0.2, [[1, 0], [0, 0]])
    pasted = np.full((4, 4, 3), 0.5)
    pasted[:2, :2] = 0.6
    np.testing.assert_allclose(outcome.pasted.array, pasted, atol=1e-6)
    np.testing.assert_allclose(outcome.picture.array, 0.6, atol=1e-6)
    np.testing.assert_allclose(outcome.error.values[0], [[0.1, 0], [0, 0]], atol=1e-6)
    assert outcome.psnr == pytest.approx(20, abs=1e-4)
    assert outcome.loss == pytest.approx(0.04)


def test_a_perfect_guess_has_no_error_and_infinite_psnr():
    assert math.isinf(made(0.0, [[1, 0], [0, 0]]).psnr)


def test_only_some_patches_guessed():
    whole = made(0.2, [[1, 1], [0, 0]])
    one = Outcome(
        whole.mask, whole.guess[:, :1], whole.truth[:, :1], whole.patch_loss[:, :1], torch.tensor([[1]]), whole.view
    )
    assert one.error.values[0, 0].tolist() == pytest.approx([0, 0.1], abs=1e-6)
    assert one.loss == pytest.approx(0.04)


def test_nothing_to_predict_has_no_loss():
    with pytest.raises(ValueError, match="no patch is to be predicted"):
        _ = made(0.2, [[0, 0], [0, 0]]).loss


def test_a_batch_is_drawn_one_by_one():
    mim = mv.recipes.mae(
        mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=32, depth=1, num_heads=2),
        dim=16,
        depth=1,
    )
    images = torch.randn(3, 3, 16, 16).clamp(-1, 1)
    with torch.no_grad():
        outcome = mim(images, Mask.random(mim.grid, batch=3))
    with pytest.raises(ValueError, match="3 pictures"):
        _ = outcome.picture
    with torch.no_grad():
        alone = mim(images[1:2], outcome.mask[1])
    np.testing.assert_allclose(outcome[1].picture.array, alone.picture.array, atol=1e-5)
    assert outcome[-1].loss == pytest.approx(float(outcome.patch_loss[2][outcome.mask.hidden[2]].mean()))


def test_a_heatmap_with_nan_says_so():
    with pytest.raises(ValueError, match="2 values that are NaN"):
        Heatmap(torch.tensor([[[1.0, math.nan], [math.inf, 0]]]), by="test")


def test_masked_picture_is_grey_where_hidden():
    masked = made(0.2, [[1, 0], [0, 0]])
    masked.view.images[:] = 1.0  # white
    assert (masked.masked.array[:2, :2] == 0.5).all()
    assert (masked.masked.array[2:] == 1).all()


def test_the_loss_is_over_what_is_to_be_predicted_not_over_what_is_hidden():
    whole = made(0.2, [[1, 1], [0, 0]])
    mask = Mask(whole.mask.hidden, torch.tensor([[False, False, True, False]]), (2, 2))
    losses = torch.tensor([[1.0, 2, 3, 4]])
    assert Outcome(mask, whole.guess, whole.truth, losses, whole.where).loss == 3


def test_where_nothing_was_guessed_the_picture_is_the_image():
    whole = made(0.2, [[1, 1], [0, 0]])
    one = Outcome(
        whole.mask, whole.guess[:, :1], whole.truth[:, :1], whole.patch_loss[:, :1], torch.tensor([[1]]), whole.view
    )
    np.testing.assert_allclose(one.picture.array[:2, 2:], 0.6, atol=1e-6)
    np.testing.assert_allclose(one.picture.array[:2, :2], 0.5, atol=1e-6)


def test_one_of_a_batch_survives_pickle():
    outcome = made(0.2, [[1, 0], [0, 0]])
    outcome = Outcome(outcome.mask, outcome.guess, outcome.truth, outcome.patch_loss, outcome.where)
    assert pickle.loads(pickle.dumps(outcome[0])).mask == outcome.mask
    mim = mv.recipes.mae(mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=8, depth=1), dim=16, depth=1)
    one = mim.reconstruct("cat")
    again = pickle.loads(pickle.dumps(one[0]))
    assert np.array_equal(again.pasted.array, one.pasted.array)
    with pytest.raises(IndexError):
        one[1]
