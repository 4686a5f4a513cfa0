"""Picture files to upright pixels: every format, mode and kind of damage is dealt with here and nowhere else."""

from __future__ import annotations

import math
import re
from io import BytesIO
from typing import IO

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

# Left out on purpose: formats that start programs or draw (EPS, WMF), and those that noise is taken for (TGA).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
OPEN_LIMIT = 89_478_485  # pixels; the number above which Pillow suspects a decompression bomb
KEEP_LIMIT = 4096 * 4096  # pixels; 200 MB as float32. Anything larger is reduced while it is read
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION = 0x0112  # the EXIF tag


def header(file: IO[bytes], *, name: str) -> Image.Image:
    """A picture file, recognized but not yet decoded. `name` is how messages call it.

    Raises ValueError, and nothing else, for what is no picture and for what memory may not hold.
    """
    head = file.read(512)
    file.seek(0)
    if not head:
        raise ValueError(f"{name} is empty (0 bytes), but a picture is needed: an interrupted download?")
    try:
        image = _opened(file, head)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        count = re.search(r"\d+", str(err))
        raise ValueError(_too_large(name, f"{int(count[0]):,} pixels" if count else str(err))) from err
    except Exception as err:  # Pillow's readers let struct, zlib, index and many other errors through
        raise ValueError(f"{name} is not a picture that mimviz can read: {_suspect(head)}") from err
    progressive = image.info.get("progressive") or image.info.get("progression")
    reducible = isinstance(image, JpegImagePlugin.JpegImageFile) and not progressive
    check_size(image, name=name, limit=64 * KEEP_LIMIT if reducible else OPEN_LIMIT)
    return image


def load(image: Image.Image, *, name: str) -> Image.Image:
    """The picture decoded, upright (EXIF), reduced to KEEP_LIMIT, in mode RGB, or F in 0..1 for 16-bit and float grey.

    What is transparent shows white; of an animation the first frame is taken. Raises ValueError, and nothing else.
    """
    try:
        image.load()
        image = _upright(image)
        image = _deep(image) if image.mode in DEEP_MODES else _flat(image)
        factor = math.ceil(math.sqrt(image.width * image.height / KEEP_LIMIT))
        image = image if factor <= 1 else image.reduce(factor)
    except Exception as err:  # as above
        raise ValueError(
            f"{name} says that it is {image.format or 'a picture'} of {image.width} x {image.height} pixels, mode "
            f"{image.mode}, but it is damaged, cut short or of a mode without RGB: {err}. Get it again or save it anew."
        ) from err
    if image.mode == "F":
        _check_grey(np.asarray(image), name)
    return image


def draft(image: Image.Image) -> Image.Image:
    """A JPEG above KEEP_LIMIT made ready to be decoded at a half, quarter or eighth of its size; others unchanged."""
    factor = math.sqrt(image.width * image.height / KEEP_LIMIT)
    if factor > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        factor = min(8, 2 ** math.ceil(math.log2(factor)))
        image.draft(None, (image.width // factor, image.height // factor))
    return image


def check_size(image: Image.Image, *, name: str, limit: int = OPEN_LIMIT) -> None:
    """Raises ValueError for a picture that memory may not hold once it is decoded, going by its header."""
    if image.width * image.height > limit:
        raise ValueError(_too_large(name, f"{image.width} x {image.height} pixels", limit))


def pixels(image: Image.Image) -> np.ndarray:
    """Float32 (H, W, 3) in 0..1 of a picture that `load` gave."""
    if image.mode == "F":
        return np.repeat(np.asarray(image)[..., None], 3, axis=-1)
    return np.asarray(image, dtype=np.float32) / 255


def thumbnail(data: bytes, size: tuple[int, int], *, name: str) -> np.ndarray:
    """Uint8 (3, height, width) of a picture file: scaled so that it covers `size`, then cropped at the centre."""
    image = load(draft(header(BytesIO(data), name=name)), name=name)
    if image.mode == "F":
        image = Image.fromarray((pixels(image) * 255).round().astype(np.uint8))
    if image.size != size[::-1]:
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC)
    return np.array(image).transpose(2, 0, 1)


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """`size` as (height, width) in pixels."""
    try:
        height, width = (int(each) for each in (size if isinstance(size, (tuple, list)) else (size, size)))
    except (TypeError, ValueError) as err:
        raise ValueError(f"size={size!r}, but a number of pixels or (height, width) is needed") from err
    if min(height, width) < 1 or height * width > KEEP_LIMIT:
        raise ValueError(f"size={size!r}, but 1 to {KEEP_LIMIT:,} pixels in all are possible")
    return height, width


def _opened(file: IO[bytes], head: bytes) -> Image.Image:
    if head.startswith(b"\xff\xd8\xff"):
        # Image.open refuses every large picture, but a large JPEG can be decoded at an eighth of its size.
        return JpegImagePlugin.JpegImageFile(file)
    Image.init()
    return Image.open(file, formats=[each for each in FORMATS if each in Image.OPEN])


def _too_large(name: str, value: str, limit: int = OPEN_LIMIT) -> str:
    return (
        f"{name} has {value}, but at most {limit:,} pixels are opened, so that memory does not run out. "
        "Shrink it first, for example with: magick big.png -resize 2000x2000 small.png"
    )


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ORIENTATION, 1) != 1
    except Exception:  # a damaged note about the picture says nothing about the picture
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _flat(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep(image: Image.Image) -> Image.Image:
    grey = np.asarray(image, dtype=np.float32)
    return Image.fromarray(grey if image.mode == "F" else grey / 65535)  # not cut at 255, as Pillow's convert would


def _check_grey(grey: np.ndarray, name: str) -> None:
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > 1:
        raise ValueError(
            f"{name} holds grey values from {grey.min():.6g} to {grey.max():.6g} times white, but 0..1 is needed: "
            "measurements rather than a photograph? Scale them to 0..1 and pass the array."
        )


_SIGNS = {
    b"<svg": "SVG is a drawing without pixels. Export it as PNG.",
    b"<?xml": "this is XML, perhaps an SVG drawing. Export it as PNG.",
    b"<!doctype": "this is a web page saved under a picture's name. Download the picture itself.",
    b"<html": "this is a web page saved under a picture's name. Download the picture itself.",
    b"%pdf": "this is a PDF. Export the page as PNG.",
    b"%!ps": "this is PostScript. Export it as PNG.",
    b"pk\x03\x04": "this is a zip archive. Unpack it first.",
    b"version https://git-lfs": "this is a Git LFS pointer. Run git lfs pull.",
}


def _suspect(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for sign, cause in _SIGNS.items():
        if start.startswith(sign):
            return cause
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc"):
        return "HEIC needs a decoder that Pillow lacks. Export it as JPEG."
    try:
        text = head.decode()
    except UnicodeDecodeError as err:
        text = head[: err.start].decode() if err.start > 500 else ""
    if text and all(each.isprintable() or each.isspace() for each in text):
        return f"it is text, beginning with {text[:24]!r}, whatever its name ends in."
    known = ", ".join(FORMATS)
    return f"its first bytes {head[:8].hex(' ')} belong to no known format, or its header is damaged. Known: {known}."
