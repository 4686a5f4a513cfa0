import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mimviz.core import Grid, Mask, keep_count

GRID = Grid(3, 5, 8)
arrays = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def test_random_hides_the_promised_share_and_repeats():
    mask = Mask.random(Grid(14, 14, 16), ratio=0.75, seed=3)
    assert mask.count == 147
    assert mask == Mask.random(Grid(14, 14, 16), ratio=0.75, seed=3)
    assert mask != Mask.random(Grid(14, 14, 16), ratio=0.75, seed=4)


@pytest.mark.parametrize(
    ("patches", "ratio", "kept"), [(196, 0.75, 49), (64, 0.999, 1), (64, 1, 0), (64, 0, 64), (10, 0.55, 4)]
)
def test_kept_count_is_floored_like_mae(patches, ratio, kept):
    assert keep_count(patches, ratio) == kept


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Mask.random(GRID, ratio=ratio)


def test_noise_gives_the_same_mask_to_mae():
    mask = Mask.random(GRID, ratio=0.6, seed=1, batch=4)
    assert Mask.from_noise(mask.noise(), ratio=0.6, shape=GRID.shape) == mask
    kept = mask.noise().argsort(1)[:, : mask.keep_ids.shape[1]]
    assert torch.equal(kept.sort(1).values, mask.keep_ids)
    order = torch.cat([mask.keep_ids, mask.hidden_ids], 1)
    assert torch.equal(order.gather(1, mask.ids_restore), torch.arange(15).expand(4, -1))


@given(arrays)
def test_every_mask_survives_rle_and_png(array):
    mask = Mask.from_array(array)
    assert np.array_equal(Mask.from_rle(mask.to_rle()).array, array)
    assert np.array_equal(Mask.from_png(mask.to_png()).array, array)
    assert np.array_equal((~mask).array, ~array)


def test_rle_is_readable():
    assert Mask.from_array([[0, 0, 1], [1, 0, 0]]).to_rle() == "2x3:2 2 2"
    assert Mask.from_array([[1, 1], [1, 1]]).to_rle() == "2x2:0 4"


@pytest.mark.parametrize(
    "text", ["", "8x8", "2x3:1 1", "2x3:7", "axb:6", "2x3:2 -2 6", "0x3:", "99999999x99999999:1", None, "2x3:2 2 2:1"]
)
def test_text_that_is_no_mask_is_refused(text):
    with pytest.raises(ValueError, match="mask text"):
        Mask.from_rle(text)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_mask_are_refused(data):
    with pytest.raises(ValueError, match="not a mask picture"):
        Mask.from_png(data)


@given(arrays, st.integers(1, 3))
def test_grow_is_a_naive_neighbourhood(array, steps):
    naive = array
    for _ in range(steps):
        wide = np.pad(naive, 1)
        naive = wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    assert np.array_equal(Mask.from_array(array).grow(steps).array, naive)


def test_shrink_eats_from_visible_neighbours_but_not_from_the_border():
    assert Mask.from_array(np.ones((3, 3), bool)).shrink().array.all()
    corner = np.ones((3, 3), bool)
    corner[0, 0] = False
    assert Mask.from_array(corner).shrink().array.tolist() == [
        [False, False, True],
        [False, True, True],
        [True, True, True],
    ]


def test_hidden_and_predict_are_two_facts():
    mask = Mask(torch.tensor([[True, False, True]]), torch.tensor([[False, False, True]]))
    assert (mask.hidden_ids.tolist(), mask.predict_ids.tolist(), mask.keep_ids.tolist()) == ([[0, 2]], [[2]], [[1]])
    with pytest.raises(ValueError, match="not their rows and cols"):
        mask.grow()


def test_unequal_numbers_in_a_batch_are_refused_where_it_matters():
    mask = Mask(torch.tensor([[True, False, True], [True, True, True]]))
    assert mask.ratio == pytest.approx(5 / 6)
    with pytest.raises(ValueError, match="between 0 and 1"):
        _ = mask.keep_ids


@pytest.mark.parametrize(
    "wrong", [np.zeros(4), np.full((2, 2), 2), np.full((2, 2), 0.5), np.full((2, 2), np.nan), "mask"]
)
def test_arrays_that_are_no_masks_are_refused(wrong):
    with pytest.raises(ValueError, match="mask array"):
        Mask.from_array(wrong)


def test_combining_masks():
    a, b = Mask.from_array([[1, 0], [0, 0]]), Mask.from_array([[1, 1], [0, 0]])
    assert ((a | b).count, (a & b).count) == (2, 1)
    with pytest.raises(ValueError, match="different grids"):
        _ = a | Mask.from_array([[1, 0, 0, 0]])


def test_every_count_reaches_mae_s_own_arithmetic():
    grid = Grid(5, 7, 8)
    for count in range(36):
        mask = Mask.from_array(np.random.default_rng(count).permutation(np.arange(35) < count).reshape(5, 7))
        assert mask.ratio == count / 35
        kept = int(grid.count * (1 - (mask.count - 0.5) / grid.count))  # facebookresearch/mae and Hugging Face
        theirs = torch.ones(1, 35, dtype=torch.bool).scatter(1, mask.noise().argsort(1)[:, :kept], False)
        assert torch.equal(theirs, mask.hidden), count


def test_both_facts_are_combined():
    a = Mask(torch.tensor([[True, True, False]]), torch.tensor([[True, False, False]]))
    b = Mask(torch.tensor([[False, True, True]]), torch.tensor([[False, False, True]]))
    assert ((a | b).predict.tolist(), (a & b).predict.tolist()) == ([[True, False, True]], [[False, False, False]])


def test_a_png_hides_from_the_middle_grey_on():
    data = io.BytesIO()
    Image.fromarray(np.array([[127, 128]], np.uint8)).save(data, "PNG")
    assert Mask.from_png(data.getvalue()).array.tolist() == [[False, True]]


def test_one_of_a_batch_is_taken_by_its_number():
    masks = Mask.random(GRID, batch=3)
    assert masks[-1].hidden.tolist() == masks.hidden[2:].tolist()
    with pytest.raises(TypeError):
        masks[0:2]
    with pytest.raises(IndexError):
        masks[3]


@pytest.mark.parametrize("seed", [2**70, -(2**70)])
def test_a_seed_beyond_64_bits_is_refused(seed):
    with pytest.raises(ValueError, match="64 bits"):
        Mask.random(GRID, seed=seed)


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="at least 0"):
        Mask.random(GRID).grow(-1)
