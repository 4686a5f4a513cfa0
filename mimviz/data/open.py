"""One door for pictures: whatever a person has in hand, to a Picture."""

from __future__ import annotations

import os
import sys
import warnings
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core import Picture
from .arrays import array_pixels, tensor_pixels
from .decode import KEEP_LIMIT, check_size, draft, header, load, pair, pixels
from .sample import images, is_sample, sample_path


def image(source: Any, size: int | tuple[int, int] | None = None) -> Picture:
    """A Picture from a bundled name, a path, file bytes, an open file, a PIL image, an array, a tensor or a Picture.

    Arrays are (H, W), (H, W, 3) or (H, W, 4), tensors (C, H, W) or (1, C, H, W): uint8, uint16, bool, or float in 0..1.
    Files are turned upright by their EXIF orientation, transparency shows white, animations their first frame.
    Above 16.8 million pixels a file is reduced, with a warning where no `size` was asked for.
    `size`: one number or (height, width) in pixels; the picture is scaled to cover it and cropped at the centre.

    Raises ValueError for what cannot be a picture, FileNotFoundError for a missing file, TypeError for other sources.
    """
    wanted = None if size is None else pair(size)
    torch = sys.modules.get("torch")  # who holds a tensor has imported it
    if isinstance(source, Picture):
        picture = source
    elif torch and isinstance(source, torch.Tensor):
        picture = Picture(tensor_pixels(source))
    elif hasattr(source, "__array__") and not isinstance(source, Image.Image):
        picture = Picture(array_pixels(np.asarray(source)))
    else:
        lazy, name = _recognized(source)
        full = lazy.size
        upright = load(lazy if lazy is source else draft(lazy), name=name)
        if full[0] * full[1] > KEEP_LIMIT and not wanted:
            now = f"{upright.width} x {upright.height}"
            warnings.warn(f"{name} has {full[0]} x {full[1]} pixels and was reduced to {now}", stacklevel=2)
        picture = Picture(pixels(upright))
    return picture.fit(*wanted) if wanted else picture


def _recognized(source: Any) -> tuple[Image.Image, str]:
    """The picture, not yet decoded, and what to call it in messages."""
    if isinstance(source, Image.Image):
        name = f"PIL image of mode {source.mode}"
        check_size(source, name=name)
        return source, name
    if isinstance(source, (str, os.PathLike)):
        path = _found(source)
        data, name = _read(path), repr(path.name)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), f"picture of {len(source)} bytes"
    elif hasattr(source, "read"):
        data, name = _rest(source), f"open file {getattr(source, 'name', type(source).__name__)!r}"
    else:
        raise TypeError(
            f"source is {type(source).__name__}, but a name of mimviz.images(), a path, bytes, an open file, "
            "a PIL image, an array or a tensor is needed"
        )
    return header(BytesIO(data), name=name), name


def _found(source: str | os.PathLike[str]) -> Path:
    if isinstance(source, str) and is_sample(source):
        return sample_path(source)
    text = os.fspath(source)
    try:
        path = Path(text).expanduser()
        if text and path.exists():
            return path
    except (OSError, ValueError, RuntimeError) as err:
        raise ValueError(
            f"{text[:80]!r} cannot be a path: {getattr(err, 'strerror', err)}. File contents are given as bytes"
        ) from err
    if "://" in text[:12] or text.startswith("data:"):
        raise ValueError(
            f"{text[:80]!r} is an address, but mimviz downloads nothing: save the picture and give its path"
        )
    near = get_close_matches(text, images(), n=1)
    known = f"did you mean {near[0]!r}? " if near else ""
    if Path(text).name == text:
        known += f"Bundled pictures: {', '.join(images())}"
    raise FileNotFoundError(f"{text!r} is no file in {os.getcwd()} and no bundled picture. {known}".rstrip())


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder, but one picture is needed: mimviz.data.read_folder reads folders")
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is a device or a pipe, but a picture file is needed")
    try:
        size = path.stat().st_size / 2**30
        if size > 1:
            raise ValueError(f"{path.name!r} has {size:.1f} GiB, but at most 1 GiB is read: is it a picture at all?")
        return path.read_bytes()
    except OSError as err:
        raise ValueError(f"{str(path)!r} cannot be read: {err.strerror or err}. May you read this file?") from err


def _rest(file: Any) -> bytes:
    try:
        data = file.read(2**30)
    except Exception as err:  # it may be any object of anybody's, closed, write-only, half-written
        raise ValueError(f"{type(file).__name__} cannot be read: {err}. Open it with open(path, 'rb')") from err
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"{type(file).__name__}.read() gave {type(data).__name__}, not bytes: open it with open(path, 'rb')"
        )
    if not data:
        raise ValueError(
            f"{type(file).__name__} gave 0 bytes, but a picture is needed: already read? Then file.seek(0)"
        )
    return bytes(data)
