"""Masks as text and as pictures: rows × cols truth values, True = hidden, in and out."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

LARGEST = 2**24  # patches; more is no mask but a mistake


def to_rle(hidden: np.ndarray) -> str:
    """Run lengths, row by row, visible first (the first may be 0): `"8x8:5 3 56"`."""
    flat = np.concatenate([[False], hidden.ravel()])
    turns = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], turns, [hidden.size]]))
    return f"{hidden.shape[0]}x{hidden.shape[1]}:" + " ".join(map(str, runs.tolist()))


def from_rle(text: str) -> np.ndarray:
    """From what `to_rle` wrote; raises ValueError for any other text."""
    try:
        size, runs = text.strip().split(":")
        rows, cols = map(int, size.lower().split("x"))
        lengths = [int(n) for n in runs.split()]
    except (ValueError, AttributeError) as err:
        raise ValueError(
            f"mask text {str(text)[:40]!r} is not of the form '8x8:5 3 56' (rows x cols : run lengths)"
        ) from err
    fits = rows >= 1 and cols >= 1 and rows * cols <= LARGEST and min(lengths, default=-1) >= 0
    if not fits or sum(lengths) != rows * cols:
        raise ValueError(
            f"mask text speaks of {sum(lengths)} patches in runs, but {rows} x {cols} makes {rows * cols}: "
            "it was cut or edited"
        )
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(rows, cols)


def to_png(hidden: np.ndarray) -> bytes:
    """A grey PNG with one pixel per patch, white = hidden."""
    buffer = io.BytesIO()
    Image.fromarray(hidden.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> np.ndarray:
    """From any picture with one pixel per patch; from the middle grey (128) on = hidden."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > LARGEST:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            return np.asarray(picture.convert("L")) >= 128
    except Exception as err:
        raise ValueError(f"{len(data)} bytes are not a mask picture (a PNG with one pixel per patch): {err}") from err
