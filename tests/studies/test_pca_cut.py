"""The cut along the PCA: halves that add up, shares that hold on the pictures themselves, and who tells classes apart."""

import itertools

import numpy as np
import pytest
import torch

from mimviz.data import Dataset, crops, images
from mimviz.studies import PCACut, probing


def photographs(each: int, seed: int = 0) -> Dataset:
    """Crops of the bundled photographs; the class is which photograph."""
    names = images()
    return Dataset(crops(16, 16, each=each, seed=seed), torch.arange(len(names)).repeat_interleave(each), names)


@pytest.fixture(scope="module")
def cut():
    return PCACut.of(photographs(40).images)


def test_axes_are_numpy_s(cut):
    rows = photographs(40).images.flatten(1).double() / 255
    variances, axes = np.linalg.eigh(np.cov(rows.numpy().T, bias=True))
    np.testing.assert_allclose(cut.variances, variances[::-1].clip(0), atol=1e-12)
    cosines = np.abs((axes[:, ::-1].T[:20] * cut.axes[:20].numpy()).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-9)


def test_the_halves_add_up_and_hold_their_shares(cut):
    pictures = photographs(40).images
    shown = pictures.float() / 255
    mean = shown.mean(0)
    for k in (0, 5, 768):
        top, bottom = cut.top(pictures, k), cut.bottom(pictures, k)
        torch.testing.assert_close(top + bottom - mean, shown, atol=1e-5, rtol=0)
        whole, inside = (shown - mean).square().sum(), (top - mean).square().sum()
        assert float(inside / whole) == pytest.approx(float(cut.shares[k]), abs=1e-5)
        again = cut.top(top, k)
        torch.testing.assert_close(again, top, atol=1e-5, rtol=0)  # a projection


def test_where_to_cut(cut):
    for share in (0.25, 0.5, 0.9, 1.0):
        k = cut.count(share)
        assert cut.shares[k] >= share - 1e-9 > cut.shares[k - 1] - 2e-9
        assert 1 - cut.shares[cut.cut_at(share, "bottom")] <= share + 1e-9
    assert cut.count(0) == 0 and len(cut.shares) == 769


def test_bottom_tells_more_than_top_at_less_variance(cut):
    """The paper's claim, on real photographs: a quarter of the variance beats half of it by far."""
    train, held = photographs(40), photographs(20, seed=1)
    settings = {"cut": cut, "steps": 80, "width": 8, "batch": 32}
    (bottom,) = probing(train, held, shares=[0.25], parts=["bottom"], **settings)
    (top,) = probing(train, held, shares=[0.5], parts=["top"], **settings)
    assert bottom.share <= 0.25 and top.share >= 0.5
    assert bottom.accuracy > top.accuracy + 0.1 > 1 / 13 + 0.1


def test_probing_can_be_stopped_and_repeats_itself(cut):
    train, held = photographs(10), photographs(5, seed=1)
    state = torch.get_rng_state()
    one, two = (
        list(itertools.islice(probing(train, held, shares=[0.5, 0.9], steps=2, width=4, cut=cut), 3)) for _ in range(2)
    )
    assert one == two and [each.part for each in one] == ["top", "bottom", "top"]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_picture_to_look_at(cut):
    shown = cut.picture(photographs(1).images[0], 30, "bottom")
    assert (shown.height, shown.width) == (16, 16)


def test_refusals(cut):
    pictures = photographs(1).images
    with pytest.raises(IndexError, match=r"k is 900, but there are 768 axes"):
        cut.top(pictures, 900)
    with pytest.raises(ValueError, match=r"cut is of pictures of \(3, 16, 16\)"):
        cut.top(crops(32, 32, each=1), 3)
    with pytest.raises(ValueError, match=r"0\.\.1 is wanted"):
        cut.count(90)
    with pytest.raises(ValueError, match="'middle'"):
        cut.cut_at(0.5, "middle")
    with pytest.raises(ValueError, match="do not differ"):
        PCACut.of(torch.zeros(4, 3, 8, 8))
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\) is wanted"):
        PCACut.of(torch.zeros(4, 1, 8, 8))
