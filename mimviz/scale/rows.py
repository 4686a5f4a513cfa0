"""The pictures of a dataset one after another, read and decoded a few batches ahead: never more of them than that in memory."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from ..data import Dataset
from ..data.decode import thumbnail
from ..data.parquet import Row
from ..data.sources import _encoded, rows_of

AHEAD = 2  # batches


@dataclass(frozen=True, eq=False)
class Read:
    """One row of a dataset: its pixels, uint8 (3, H, W), or why there are none; `small`: a JPEG to show."""

    number: int
    row: Row
    pixels: np.ndarray | None
    small: bytes = b""
    error: str | None = None


def rows(source: Any, *, image: str | None = None, label: str | None = None) -> tuple[list[Row], list[str]]:
    """(rows in order, names of classes) of whatever `mimviz.data.dataset` opens, of a Dataset, or of a list of pictures."""
    if isinstance(source, Dataset):
        told = zip(source.names, source.labels.tolist(), strict=True)
        return [Row(name, _encoded(partial(_pixels, source, i)), n) for i, (name, n) in enumerate(told)], source.classes
    if isinstance(source, (list, tuple)) and source and not all(_is_table(each) for each in source):
        return [Row(_name(each, i), _encoded(partial(_opened, each)), -1) for i, each in enumerate(source)], []
    return rows_of(source, image=image, label=label)


def batches(
    found: Sequence[Row], spans: Iterable[range], size: tuple[int, int], *, small: int | None
) -> Generator[list[Read], None, None]:
    """The rows of each span, decoded on all cores while the ones before them are being used."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="mimviz-decode") as pool:
        waiting: deque[list[Future[Read]]] = deque()
        try:
            for span in spans:
                waiting.append([pool.submit(_read, i, found[i], size, small) for i in span])
                if len(waiting) > AHEAD:
                    yield [each.result() for each in waiting.popleft()]
            while waiting:
                yield [each.result() for each in waiting.popleft()]
        finally:
            for each in waiting:
                for future in each:
                    future.cancel()


def _read(number: int, row: Row, size: tuple[int, int], small: int | None) -> Read:
    try:
        pixels = thumbnail(row.data(), size, name=row.name)
    except (ValueError, TypeError, OSError) as err:
        return Read(number, row, None, error=" ".join(str(err).split()))
    return Read(number, row, pixels, b"" if small is None else _small(pixels, small))


def _small(pixels: np.ndarray, side: int) -> bytes:
    picture, out = Image.fromarray(pixels.transpose(1, 2, 0)), io.BytesIO()
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _pixels(source: Dataset, index: int) -> Image.Image:
    return Image.fromarray(source.images[index].permute(1, 2, 0).numpy())


def _opened(each: Any) -> Any:
    from ..data import image

    made = image(each)
    return Image.fromarray((made.array * 255).round().astype(np.uint8))


def _name(each: Any, index: int) -> str:
    return os.fspath(each) if isinstance(each, (str, os.PathLike)) else f"item {index}"


def _is_table(each: Any) -> bool:
    return isinstance(each, (str, os.PathLike)) and os.fspath(each).lower().endswith(".parquet")
