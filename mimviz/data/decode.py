"""Picture files to upright pixels: every format, mode and kind of damage is dealt with here and nowhere else."""

from __future__ import annotations

import math
import warnings
from io import BytesIO
from typing import IO

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

# EPS, WMF and other formats that start programs or draw are left out on purpose.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO")
OPEN_LIMIT = 89_478_485  # pixels; the number above which Pillow suspects a decompression bomb
KEEP_LIMIT = 4096 * 4096  # pixels; 200 MB as float32. Anything larger is reduced while it is read
DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def decode(file: IO[bytes], *, name: str) -> Image.Image:
    """The first frame of a picture file, decoded, upright (EXIF orientation), reduced to KEEP_LIMIT pixels.

    Raises ValueError, and nothing else, for whatever cannot be read; `name` is how the message calls the file.
    """
    head = file.read(512)
    file.seek(0)
    if not head:
        raise ValueError(f"{name} is empty (0 bytes), but a picture is needed: an interrupted download?")
    try:
        image = _open(file, head)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        raise ValueError(f"{name} is too large. {_too_large(str(err).removeprefix('Image size '))}") from err
    except Exception as err:  # Pillow's readers let struct, zlib, index and many other errors through
        raise ValueError(f"{name} is not a picture that mimviz can read: {_suspect(head)}") from err
    check_size(image, name)
    try:
        return _reduced(ImageOps.exif_transpose(_drafted(image)))
    except Exception as err:
        raise ValueError(
            f"{name} says that it is {image.format} of {image.width} x {image.height} pixels, but it is damaged "
            f"or cut short: {err}. Get the file again, or open it in a picture program and save it anew."
        ) from err


def _open(file: IO[bytes], head: bytes) -> Image.Image:
    if head.startswith(b"\xff\xd8\xff"):
        # Image.open refuses every large picture, but a large JPEG can be decoded at an eighth of its size.
        return JpegImagePlugin.JpegImageFile(file)
    Image.init()
    return Image.open(file, formats=[each for each in FORMATS if each in Image.OPEN])


def check_size(image: Image.Image, name: str) -> None:
    """Raises ValueError for a picture that memory may not hold, going by its header."""
    drafted = isinstance(image, JpegImagePlugin.JpegImageFile) and not image.info.get("progressive")
    if image.width * image.height > OPEN_LIMIT and not drafted:
        raise ValueError(f"{name} is too large: {_too_large(f'({image.width} x {image.height} pixels)')}")


def _too_large(value: str) -> str:
    return (
        f"{value}: mimviz opens at most {OPEN_LIMIT:,} pixels, so that memory does not run out. "
        "Shrink it first, for example with: magick big.png -resize 2000x2000 small.png"
    )


def _drafted(image: Image.Image) -> Image.Image:
    factor = math.sqrt(image.width * image.height / KEEP_LIMIT)
    if factor > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        factor = min(8, 2 ** math.ceil(math.log2(factor)))
        image.draft(None, (image.width // factor, image.height // factor))
    return image


def _reduced(image: Image.Image) -> Image.Image:
    image.load()
    factor = math.ceil(math.sqrt(image.width * image.height / KEEP_LIMIT))
    if factor <= 1 or image.mode in DEEP_MODES:
        return image
    return flat(image).reduce(factor)


def flat(image: Image.Image) -> Image.Image:
    """Any 8-bit or 1-bit mode as RGB; what is transparent shows white."""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def pixels(image: Image.Image, *, name: str) -> np.ndarray:
    """Float32 (H, W, 3) in 0..1 of a decoded picture; 16-bit grey is divided by 65535, not cut at 255."""
    try:
        if image.mode not in DEEP_MODES:
            return np.asarray(flat(image), dtype=np.float32) / 255
        grey = np.asarray(image, dtype=np.float32)
    except Exception as err:
        raise ValueError(f"{name} has colour mode {image.mode}, which cannot be shown as RGB: {err}") from err
    white = 1 if image.mode == "F" else 65535
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > white:
        raise ValueError(
            f"{name} holds numbers from {grey.min():.6g} to {grey.max():.6g} (mode {image.mode}), "
            f"but 0..{white} are needed: measurements rather than a photograph? Scale them to 0..1 and pass the array."
        )
    return np.repeat((grey / white)[..., None], 3, axis=-1)


def thumbnail(data: bytes, size: tuple[int, int], *, name: str) -> np.ndarray:
    """Uint8 (3, height, width) of a picture file: scaled so that it covers `size`, then cropped at the centre."""
    image = decode(BytesIO(data), name=name)
    if image.mode in DEEP_MODES:
        image = Image.fromarray((pixels(image, name=name) * 255).round().astype(np.uint8))
    image = flat(image)
    if image.size != size[::-1]:
        image = ImageOps.fit(image, size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image).transpose(2, 0, 1)


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """`size` as (height, width) in pixels."""
    both = (size, size) if isinstance(size, (int, np.integer)) else size
    try:
        height, width = (int(each) for each in both)
    except (TypeError, ValueError) as err:
        raise ValueError(f"size={size!r}, but a number of pixels or (height, width) is needed") from err
    if min(height, width) < 1 or height * width > KEEP_LIMIT:
        raise ValueError(f"size={size!r}, but 1 to {KEEP_LIMIT:,} pixels in all are possible")
    return height, width


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


def warn_if_reduced(before: tuple[int, int], after: tuple[int, int], name: str) -> None:
    if before[0] * before[1] > KEEP_LIMIT:
        warnings.warn(
            f"{name} has {before[1]} x {before[0]} pixels and was reduced to {after[1]} x {after[0]}", stacklevel=4
        )
