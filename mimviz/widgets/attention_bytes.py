"""Rows of attention as few bytes as a browser needs to draw them, with an error that can be stated."""

from __future__ import annotations

import numpy as np

STEPS = 255


def encode(rows: np.ndarray, front: int) -> bytes:
    """Attention (heads, R, front + patches) → little-endian bytes: ranges (2 float32), `front` tokens (uint16), patches (uint8).

    Each row has a range, its smallest value a₀ and its spread s on patches, so that a sink among the first `front` tokens (class
    token, registers) costs the picture nothing. A patch is the code c = round(255 · √((a − a₀) / s)) and reads back as
    a₀ + s · (c / 255)², off by at most s · (c + ¼) / 255²: 0.4 % of the spread at the top and finer below, where attention lives.
    A front token is off by at most 1 / 131,070. A row that does not exist (NaN) keeps NaN as its range. The whole is padded to a
    multiple of four bytes.
    """
    patches = rows[..., front:]
    low = patches.min(-1)  # (heads, R)
    spread = patches.max(-1) - low
    shares = np.zeros_like(patches)
    np.divide(patches - low[..., None], spread[..., None], out=shares, where=spread[..., None] > 0)
    codes = np.rint(np.sqrt(np.nan_to_num(shares)) * STEPS)
    first = np.rint(np.nan_to_num(rows[..., :front]) * 65535)
    ranges = np.stack([low, spread], -1).astype("<f4")
    data = ranges.tobytes() + first.astype("<u2").tobytes() + codes.astype(np.uint8).tobytes()
    return data + bytes(-len(data) % 4)


def decode(data: bytes, heads: int, count: int, tokens: int, front: int) -> np.ndarray:
    """The inverse of `encode` up to the stated error: (heads, count, tokens), float32."""
    ends = np.cumsum([0, 8 * heads * count, 2 * heads * count * front, heads * count * (tokens - front)])
    ranges, first, codes = (
        np.frombuffer(data[start:end], kind).reshape(heads, count, -1)
        for start, end, kind in zip(ends, ends[1:], ("<f4", "<u2", np.uint8), strict=False)
    )
    low, spread = ranges[..., :1], ranges[..., 1:]
    patches = low + spread * np.square(codes.astype(np.float32) / STEPS)
    return np.concatenate([np.where(np.isnan(low), np.nan, first / 65535), patches], -1).astype(np.float32)


def size(heads: int, count: int, tokens: int, front: int) -> int:
    """Bytes that `encode` makes of (heads, count, tokens)."""
    exact = heads * count * (8 + 2 * front + tokens - front)
    return exact + -exact % 4
