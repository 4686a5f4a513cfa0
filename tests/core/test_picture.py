from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mimviz.core import Picture

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def noise(height=6, width=8, seed=0):
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


def test_the_array_is_a_read_only_float32_copy():
    given = noise().astype(np.float64)
    picture = Picture(given)
    given[:] = 0
    assert picture.array.dtype == np.float32
    assert (picture.height, picture.width) == (6, 8)
    np.testing.assert_array_equal(picture.array, noise())
    with pytest.raises(ValueError, match="read-only"):
        picture.array[0, 0] = 0


def test_pictures_are_equal_when_their_pixels_are():
    assert Picture(noise()) == Picture(noise())
    assert hash(Picture(noise())) == hash(Picture(noise()))
    assert Picture(noise()) != Picture(noise(seed=1))
    assert Picture(noise()) != Picture(noise(6, 9))
    assert Picture(noise()) != "picture"


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (noise()[..., 0], ValueError, r"shape \(6, 8\), but \(height, width, 3\)"),
        (np.zeros((0, 4, 3), np.float32), ValueError, r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), TypeError, r"uint8 array, but a float array.*mimviz.image"),
        ([[[0.0, 0.0, 0.0]]], TypeError, "made of list"),
        (np.full((2, 2, 3), np.nan), ValueError, "12 of 12 values that are NaN"),
        (np.full((2, 2, 3), -np.inf), ValueError, "NaN or infinite"),
        (noise() * 255, ValueError, r"0..1 is needed: colours in 0..255\? Divide by 255"),
        (noise() * 4 - 2, ValueError, "normalized for a model.*from_tensor"),
        (noise() * 1.5, ValueError, "made too bright.*clip"),
        (noise() * 4000 - 1000, ValueError, "raw measurements.*Scale them"),
    ],
)
def test_what_is_no_picture_says_value_wish_and_cause(array, error, message):
    with pytest.raises(error, match=message):
        Picture(array)


def test_rounding_beyond_white_is_forgiven_and_clipped():
    array = noise()
    array[0, 0], array[0, 1] = 1 + 1e-6, -1e-6
    assert Picture(array).array.max() == 1
    assert Picture(array).array.min() == 0


def test_tensor_is_normalized_as_written_in_the_papers():
    picture = Picture(noise())
    tensor = picture.tensor(mean=MEAN, std=STD)
    assert tensor.shape == (1, 3, 6, 8)
    for channel in range(3):
        expected = (picture.array[..., channel] - MEAN[channel]) / STD[channel]
        np.testing.assert_allclose(tensor[0, channel].numpy(), expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(picture.tensor()[0, 1], torch.from_numpy(picture.array[..., 1].copy()))


def test_a_tensor_of_the_picture_may_be_changed_without_harm():
    picture = Picture(noise())
    picture.tensor().zero_()
    np.testing.assert_array_equal(picture.array, noise())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), height=st.integers(1, 9), width=st.integers(1, 9), batch=st.booleans())
def test_there_and_back(seed, height, width, batch):
    picture = Picture(noise(height, width, seed))
    tensor = picture.tensor(mean=MEAN, std=STD)
    back = Picture.from_tensor(tensor if batch else tensor[0], mean=MEAN, std=STD)
    np.testing.assert_allclose(back.array, picture.array, atol=1e-6)


def test_from_tensor_takes_halves_gradients_and_overshoot():
    guess = torch.full((1, 3, 2, 2), 9.0, dtype=torch.float16, requires_grad=True)
    assert (Picture.from_tensor(guess, mean=MEAN, std=STD).array == 1).all()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(2, 3, 4, 4), r"\(2, 3, 4, 4\).*take one of the batch"),
        (torch.zeros(4, 4, 3), r"\(4, 4, 3\).*permute\(2, 0, 1\)"),
        (torch.zeros(4, 4), r"\(4, 4\)"),
        (torch.full((3, 4, 4), -1.0), "values from -1 to -1"),
        (torch.full((3, 2, 2), float("nan")), "12 of 12 values that are NaN"),
    ],
)
def test_from_tensor_refuses(tensor, message):
    with pytest.raises(ValueError, match=message):
        Picture.from_tensor(tensor)


def test_nan_is_reported_also_when_the_normalization_is_undone():
    with pytest.raises(ValueError, match="NaN"):
        Picture.from_tensor(torch.full((3, 2, 2), float("nan")), mean=MEAN, std=STD)


@pytest.mark.parametrize("wrong", [{"mean": MEAN}, {"mean": MEAN, "std": (1, 1)}, {"mean": MEAN, "std": (1, 0, 1)}])
def test_mean_and_std_go_together(wrong):
    with pytest.raises(ValueError, match="three numbers"):
        Picture(noise()).tensor(**wrong)
    with pytest.raises(ValueError, match="three numbers"):
        Picture.from_tensor(torch.zeros(3, 2, 2), **wrong)


def test_fit_covers_and_crops_at_the_centre():
    array = np.zeros((40, 80, 3), np.float32)
    array[:, 20:60] = 1  # the square in the middle
    assert Picture(array).fit(20, 20).array[:, 1:-1].min() > 0.99
    tall = Picture(array.transpose(1, 0, 2)).fit(20, 20)
    assert tall.array[1:-1].min() > 0.99


def test_fit_averages_when_it_shrinks():
    checks = np.indices((64, 64)).sum(0)[..., None].repeat(3, -1) % 2
    np.testing.assert_allclose(Picture(checks.astype(np.float32)).fit(8, 8).array, 0.5, atol=0.06)


def test_fit_equals_scaling_all_and_cropping():
    picture = Picture(noise(30, 60))
    whole = [Image.fromarray(picture.array[..., c].copy()).resize((20, 10), Image.Resampling.BICUBIC) for c in range(3)]
    twin = np.stack([np.asarray(each)[:, 5:15] for each in whole], -1)
    np.testing.assert_allclose(picture.fit(10, 10).array, np.clip(twin, 0, 1), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.integers(1, 70))
def test_fit_gives_the_size_asked_for(height, width, h, w):
    fitted = Picture(np.full((height, width, 3), 0.25)).fit(h, w)
    assert fitted.array.shape == (h, w, 3)
    np.testing.assert_allclose(fitted.array, 0.25, atol=1e-6)


def test_fit_to_its_own_size_is_the_picture_itself():
    picture = Picture(noise())
    assert picture.fit(6, 8) is picture
    with pytest.raises(ValueError, match="0 × 8"):
        picture.fit(0, 8)


def test_png_and_jpeg_bytes():
    picture = Picture(np.full((8, 8, 3), 200 / 255))
    for data, format in ((picture.to_png(), "PNG"), (picture.to_jpeg(90), "JPEG"), (picture._repr_png_(), "PNG")):
        decoded = Image.open(BytesIO(data))
        assert decoded.format == format
        assert np.abs(np.asarray(decoded).astype(int) - 200).max() <= (1 if format == "JPEG" else 0)
    rough = Picture(noise(32, 32))
    assert len(rough.to_jpeg(20)) < len(rough.to_jpeg(90))
    with pytest.raises(ValueError, match="quality=0"):
        picture.to_jpeg(0)


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.webp", "a.bmp", "a.tif", "a.gif"])
def test_save_writes_what_the_name_says(tmp_path, name):
    Picture(noise()).save(tmp_path / name)
    with Image.open(tmp_path / name) as saved:
        assert saved.size == (8, 6)


def test_save_refuses_a_name_that_says_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '.tx'.*\.png"):
        Picture(noise()).save(tmp_path / "a.tx")
