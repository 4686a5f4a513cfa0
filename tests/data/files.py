"""Picture files, good and bad, made in memory."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image


def encoded(image, format="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def gradient(height=24, width=32):
    """Uint8 (H, W, 3), different in every corner and channel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * y / max(height - 1, 1), 255 * x / max(width - 1, 1), np.full_like(x, 40)], -1).astype(
        np.uint8
    )


def photo(height=24, width=32, format="PNG", **options):
    return encoded(Image.fromarray(gradient(height, width)), format, **options)


def noisy(format="PNG"):
    """200 × 200 pixels that do not compress away."""
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)), format)


def png_that_claims(width, height):
    """A complete one-pixel PNG with another size in its header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0\0\0")), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_that_claims(width, height, **options):
    """A small JPEG with another size in its frame header."""
    data = bytearray(photo(16, 16, "JPEG", **options))
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)
