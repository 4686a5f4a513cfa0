import os
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import mimviz as mv
from mimviz.data import image

from .files import encoded, gradient, jpeg_that_claims, noisy, photo, png_that_claims

TRUTH = gradient().astype(np.float32) / 255
CHW = torch.from_numpy(gradient().transpose(2, 0, 1).copy())


def shows(picture, expected, atol=1e-6):
    np.testing.assert_allclose(picture.array, np.broadcast_to(expected, picture.array.shape), atol=atol)


def written(folder, data, name="photo.png"):
    (folder / name).write_bytes(data)
    return folder / name


# --- every way in gives the same picture ---

WAYS_IN = {
    "path": lambda folder: written(folder, photo()),
    "string": lambda folder: str(written(folder, photo())),
    "wrong suffix": lambda folder: written(folder, photo(), "photo.jpg"),
    "bytes": lambda _: photo(),
    "bytearray": lambda _: bytearray(photo()),
    "memoryview": lambda _: memoryview(photo()),
    "stream": lambda _: BytesIO(photo()),
    "pil": lambda folder: Image.open(BytesIO(photo())),
    "pil in memory": lambda _: Image.fromarray(gradient()),
    "uint8": lambda _: gradient(),
    "uint16": lambda _: gradient().astype(np.uint16) * 257,
    "float32": lambda _: TRUTH,
    "float64": lambda _: TRUTH.astype(np.float64),
    "opaque alpha": lambda _: np.dstack([gradient(), np.full((24, 32), 255, np.uint8)]),
    "negative strides": lambda _: gradient()[::-1].copy()[::-1],
    "uint8 tensor": lambda _: CHW,
    "float tensor": lambda _: CHW.float() / 255,
    "tensor of one": lambda _: CHW[None].double() / 255,
    "tensor with gradient": lambda _: (CHW.float() / 255).requires_grad_(),
    "tensor on a view": lambda _: CHW.permute(1, 2, 0).contiguous().permute(2, 0, 1),
    "picture": lambda _: mv.Picture(TRUTH),
    "lossless webp": lambda _: photo(format="WEBP", lossless=True),
    "bmp": lambda _: photo(format="BMP"),
    "tiff": lambda _: photo(format="TIFF", compression="tiff_lzw"),
    "ppm": lambda _: photo(format="PPM"),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_every_way_in_gives_the_same_picture(way, tmp_path):
    shows(image(WAYS_IN[way](tmp_path)), TRUTH)


def test_half_precision_tensors():
    shows(image((CHW.float() / 255).bfloat16()), TRUTH, atol=2**-8)
    shows(image((CHW.float() / 255).half()), TRUTH, atol=2**-11)


def test_jpeg_is_close():
    shows(image(photo(format="JPEG", quality=95, subsampling=0)), TRUTH, atol=0.03)
    shows(image(photo(format="JPEG", quality=95, subsampling=0, progressive=True)), TRUTH, atol=0.03)


@pytest.mark.parametrize(("size", "shape"), [(8, (8, 8, 3)), ((8, 12), (8, 12, 3)), (np.int64(50), (50, 50, 3))])
def test_size_fits(size, shape):
    assert image(photo(), size).array.shape == shape
    assert image(photo(), size) == image(photo()).fit(*shape[:2])


@pytest.mark.parametrize("size", [0, -3, (8, 0), (1, 2, 3), "big", 10**9, (8, None)])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="size="):
        image(photo(), size)


def test_the_source_is_left_as_it_was():
    array, tensor, pil = gradient(), CHW.clone(), Image.fromarray(gradient())
    for source in (array, tensor, pil):
        assert not np.shares_memory(image(source).array, array)
    np.testing.assert_array_equal(array, gradient())
    assert torch.equal(tensor, CHW)
    assert pil.mode == "RGB"


# --- modes ---


def test_grey_becomes_three_equal_channels():
    grey = gradient()[..., 1]
    expected = np.repeat(grey[..., None], 3, -1) / 255
    for source in (Image.fromarray(grey), encoded(Image.fromarray(grey)), grey, grey[..., None], CHW[1], CHW[1:2]):
        shows(image(source), expected)


def test_one_bit():
    bits = gradient()[..., 1] > 100
    expected = np.repeat(bits[..., None], 3, -1)
    for source in (encoded(Image.fromarray(bits)), bits, torch.from_numpy(bits)[None]):
        shows(image(source), expected)


def test_what_is_transparent_shows_white():
    alpha = np.zeros((24, 32), np.uint8)
    alpha[:12] = 255
    alpha[12:18] = 51  # a fifth
    rgba = np.dstack([gradient(), alpha])
    part = alpha[..., None] / 255
    expected = TRUTH * part + (1 - part)
    shows(image(rgba), expected)
    shows(image(rgba.astype(np.float32) / 255), expected)
    shows(image(torch.from_numpy(rgba).permute(2, 0, 1)), expected)
    for format in ("PNG", "TIFF"):
        shows(image(encoded(Image.fromarray(rgba), format)), expected, atol=0.005)


def test_transparent_palette_and_grey_with_alpha():
    palette = Image.fromarray(gradient()).quantize(16)
    opaque = np.asarray(palette.convert("RGB")) / 255
    shows(image(encoded(palette)), opaque)
    hole = np.asarray(palette) == 3
    shows(image(encoded(palette, transparency=3)), np.where(hole[..., None], 1, opaque))
    la = Image.merge("LA", [Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 0)])
    shows(image(encoded(la)), 1)


def test_transparent_colour_key():
    key = tuple(int(each) for each in gradient()[5, 7])
    picture = image(encoded(Image.fromarray(gradient()), transparency=key))
    assert (picture.array[5, 7] == 1).all()
    assert (picture.array[6, 7] != 1).any()


def test_cmyk_jpeg_keeps_its_colours():
    flat = Image.new("RGB", (32, 32), (200, 60, 30))
    shows(image(encoded(flat.convert("CMYK"), "JPEG", quality=95)), np.array([200, 60, 30]) / 255, atol=0.03)
    shows(image(flat.convert("CMYK")), np.array([200, 60, 30]) / 255, atol=0.01)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_cut(format):
    deep = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    data = encoded(Image.fromarray(deep), format)
    shows(image(data), np.repeat(deep[..., None] / 65535, 3, -1))
    shows(image(deep), np.repeat(deep[..., None] / 65535, 3, -1))


def test_float_tiff_in_range_is_taken_and_measurements_are_refused():
    grey = gradient()[..., 1].astype(np.float32) / 255
    shows(image(encoded(Image.fromarray(grey), "TIFF")), np.repeat(grey[..., None], 3, -1))
    with pytest.raises(ValueError, match=r"0 to 300 times white.*measurements.*Scale"):
        image(encoded(Image.fromarray(grey * 300), "TIFF"))
    with pytest.raises(ValueError, match="nan"):
        image(Image.fromarray(grey * np.nan))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a),
    }
    shows(image(photo(exif=exif)), turns[orientation](TRUTH))
    shows(image(Image.open(BytesIO(photo(exif=exif)))), turns[orientation](TRUTH))


def test_damaged_exif_does_not_spoil_the_picture():
    shows(image(photo(format="WEBP", lossless=True, exif=b"Exif\0\0MM\0*nonsense")), TRUTH)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(format):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    shows(image(data), (1, 0, 0), atol=0.02)


def test_one_pixel():
    for source in (photo(1, 1), np.zeros((1, 1, 3)), torch.zeros(3, 1, 1)):
        assert image(source).array.shape == (1, 1, 3)
        assert image(source, 64).array.shape == (64, 64, 3)


def test_very_long_pictures_fit():
    assert image(photo(1, 3000), 64).array.shape == (64, 64, 3)


# --- too large ---


def test_a_huge_png_is_refused_from_its_header():
    for width, height in ((20_000, 20_000), (10_000, 10_000)):
        with pytest.raises(ValueError, match=r"pixels, but at most 89,478,485.*Shrink it first"):
            image(png_that_claims(width, height))


def test_a_huge_progressive_jpeg_is_refused_as_it_needs_all_its_memory():
    with pytest.raises(ValueError, match=r"20000 x 20000 pixels.*Shrink"):
        image(jpeg_that_claims(20_000, 20_000, progressive=True))
    with pytest.raises(ValueError, match=r"65000 x 65000 pixels.*Shrink"):
        image(jpeg_that_claims(65_000, 65_000))


def test_a_huge_jpeg_is_reduced():
    data = encoded(Image.new("L", (20_000, 20_000), 200), "JPEG")
    with pytest.warns(UserWarning, match="20000 x 20000 pixels and was reduced to 2500 x 2500"):
        picture = image(data)
    shows(picture, 200 / 255, atol=0.01)
    assert image(data, 64).array.shape == (64, 64, 3)  # reduced all the same, but that was asked for


def test_a_large_png_is_reduced(monkeypatch):
    for module in ("decode", "open"):
        monkeypatch.setattr(f"mimviz.data.{module}.KEEP_LIMIT", 24 * 32 // 4)
    with pytest.warns(UserWarning, match=r"picture of \d+ bytes has 32 x 24 pixels and was reduced to 16 x 12"):
        picture = image(photo())
    shows(picture, TRUTH.reshape(12, 2, 16, 2, 3).mean((1, 3)), atol=0.003)


@pytest.mark.parametrize("kind", ["uint8", "float grey", "tensor", "uint8 tensor"])
def test_huge_arrays_are_refused(kind):
    huge = {
        "uint8": np.broadcast_to(np.uint8(0), (20_000, 20_000, 3)),
        "float grey": np.broadcast_to(np.float32(0), (20_000, 20_000)),
        "tensor": torch.zeros(1).expand(3, 20_000, 20_000),
        "uint8 tensor": torch.zeros(1, dtype=torch.uint8).expand(1, 3, 20_000, 20_000),
    }[kind]
    with pytest.raises(ValueError, match=r"20000 x 20000 pixels.*array\[::8, ::8\]"):
        image(huge)


def test_pillow_images_too_are_measured():
    source = Image.fromarray(gradient())
    source._size = (20_000, 20_000)  # what a picture opened under MAX_IMAGE_PIXELS = None would say
    with pytest.raises(ValueError, match="PIL image of mode RGB has 20000 x 20000 pixels"):
        image(source)


# --- bad files ---

BAD_FILES = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"just a note\n", "it is text, beginning with 'just a note"),
    "long text": ("naïve été\n".encode() * 100, "it is text"),
    "page": (b"<!DOCTYPE html><html>", "web page"),
    "svg": (b"\xef\xbb\xbf <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is a drawing"),
    "xml": (b"<?xml version='1.0'?><svg/>", "SVG drawing"),
    "pdf": (b"%PDF-1.7\n%\xff", "PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "zip": (b"PK\x03\x04\x14\0", "zip archive"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC.*JPEG"),
    "zeros": (bytes(1000), "first bytes 00 00"),
    "signature only": (b"\x89PNG\r\n\x1a\n", "header is damaged"),
    "jpeg signature only": (b"\xff\xd8\xff", "header is damaged"),
    "half a png": (noisy()[:900], "PNG of 200 x 200 pixels.*cut short"),
    "half a jpeg": (noisy("JPEG")[:1500], "JPEG of 200 x 200 pixels.*cut short"),
    "half a gif": (noisy("GIF")[:2000], "GIF of 200 x 200 pixels.*cut short"),
    "half a webp": (noisy("WEBP")[:200], "not a picture|cut short"),
    "false size": (png_that_claims(64, 64), "damaged"),
    "garbled": (photo(64, 64)[:60] + bytes(50) + photo(64, 64)[110:], "damaged"),
    "garbled jpeg": (photo(64, 64, "JPEG")[:300] + b"\xff\xd9", "damaged|not a picture"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("way", ["bytes", "path", "stream"])
def test_a_bad_file_is_named_with_its_cause(kind, way, tmp_path):
    data, message = BAD_FILES[kind]
    source = {"bytes": data, "path": written(tmp_path, data, "holiday.png"), "stream": BytesIO(data)}[way]
    with pytest.raises(ValueError, match=r"0 bytes" if kind == "empty" and way == "stream" else message) as caught:
        image(source)
    assert way != "path" or "'holiday.png'" in str(caught.value)


def test_a_half_loaded_pil_image():
    with pytest.raises(ValueError, match="cut short"):
        image(Image.open(BytesIO(noisy()[:900])))


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["", "PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]),
    st.integers(0, 200),
)
@example(b"", "", 0)
@example(b"\0", "PNG", 16)
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_are_a_picture_or_a_value_error(noise, format, place):
    start = photo(format=format) if format else b""
    try:
        picture = image(start[:place] + noise + start[place + len(noise) :])
    except ValueError as err:
        message = str(err)
    else:
        message = repr(picture)
    assert "picture" in message.lower() or "pixels" in message


# --- bad names and paths ---


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("astronot", FileNotFoundError, "'astronot' is no file .* did you mean 'astronaut'"),
        ("zzz", FileNotFoundError, "Bundled pictures: astronaut, cat"),
        ("no/such/photo.png", FileNotFoundError, r"'no/such/photo.png' is no file in /"),
        (Path("missing.png"), FileNotFoundError, "missing.png"),
        ("", FileNotFoundError, "'' is no file"),
        ("a\0b", (FileNotFoundError, ValueError), "a.*b"),
        ("x" * 5000, ValueError, "cannot be a path.*too long.*given as bytes"),
        ("https://example.org/a.png", ValueError, "downloads nothing"),
        ("data:image/png;base64,AAAA", ValueError, "downloads nothing"),
        (os.devnull, ValueError, "device"),
        (None, TypeError, "source is NoneType"),
        (7, TypeError, "source is int"),
        ([[0, 1], [1, 0]], TypeError, "source is list"),
        (StringIO("text"), TypeError, "gave str, not bytes.*'rb'"),
        (BytesIO(b""), ValueError, r"0 bytes.*file.seek\(0\)"),
    ],
)
def test_a_bad_source_is_named(source, error, message):
    with pytest.raises(error, match=message):
        image(source)


def test_a_missing_file_beside_a_bundled_name_is_still_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        image(tmp_path / "astronaut")


def test_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder.*read_folder"):
        image(tmp_path)


def test_a_closed_file():
    file = BytesIO(photo())
    file.close()
    with pytest.raises(ValueError, match=r"cannot be read.*closed"):
        image(file)


def test_a_read_error_is_told(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match="cannot be read: Permission denied"):
        image(written(tmp_path, photo()))


# --- bad arrays and tensors ---


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (np.full((4, 4, 3), np.nan), ValueError, "48 of 48 values that are NaN or infinite"),
        (torch.full((3, 4, 4), float("inf")), ValueError, "48 of 48"),
        (np.where(np.eye(4), np.nan, 0.5), ValueError, "4 of 16"),
        (TRUTH * 255, ValueError, "Divide by 255"),
        (torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)), ValueError, "normalized for a model"),
        (gradient().transpose(2, 0, 1), ValueError, r"\(3, 24, 32\).*array.transpose\(1, 2, 0\)"),
        (gradient()[None], ValueError, r"\(1, 24, 32, 3\).*array\[0\]"),
        (np.zeros((6, 4, 5)), ValueError, r"\(6, 4, 5\).*which channels are the colours"),
        (np.zeros((4, 4, 2)), ValueError, r"\(4, 4, 2\)"),
        (np.zeros(4), ValueError, "picture at all"),
        (np.float32(0.5), ValueError, "picture at all"),
        (np.zeros((0, 4, 3)), ValueError, "no pixels"),
        (gradient().astype(np.int64), TypeError, r"int64, whose white is unknown.*astype\('uint8'\)"),
        (np.zeros((4, 4), complex), TypeError, "complex128"),
        (np.array([["a", "b"]]), TypeError, "whose white is unknown"),
        (torch.zeros(5, 4, 3), ValueError, r"\(5, 4, 3\).*permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 4, 4), ValueError, r"batch of 2.*tensor\[0\]"),
        (torch.zeros(5, 4, 7), ValueError, "channels come first"),
        (torch.zeros(3), ValueError, r"\(3,\)"),
        (torch.zeros(3, 0, 4), ValueError, "no pixels"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), TypeError, "int64"),
    ],
)
def test_a_bad_array_says_value_wish_and_cause(source, error, message):
    with pytest.raises(error, match=message):
        image(source)
