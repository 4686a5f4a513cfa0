"""Photographs in Parquet files, as Hugging Face `datasets` writes them, to one tensor of training pictures."""

from __future__ import annotations

import glob
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .decode import pair, thumbnail

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class Pictures(NamedTuple):
    """Training pictures in memory. Labels are -1 where there are none; `broken` says what was left out and why."""

    images: Tensor  # uint8 (N, 3, H, W)
    labels: Tensor  # int64 (N,)
    broken: list[str]


class Row(NamedTuple):
    name: str
    data: Callable[[], bytes]
    label: int


def read_parquet(paths: Paths, *, size: int | tuple[int, int], limit: int | None = None) -> Pictures:
    """The photographs of one or more Parquet files (paths or globs) with columns `image: {bytes, path}` and `label`.

    Each is scaled so that it covers `size` (one number or (height, width), pixels) and cropped at the centre.
    A row that cannot be decoded is left out, listed in `.broken` and counted in a warning. `limit`: first rows only.
    Raises FileNotFoundError for a path or glob without files, ValueError for other columns or when no row can be read.
    """
    files = _files(paths)
    return gather(_rows(files), count=sum(map(_length, files)), size=size, limit=limit)


def gather(rows: Iterator[Row], *, count: int, size: int | tuple[int, int], limit: int | None = None) -> Pictures:
    """Decode `count` rows (at most `limit`) on all cores into one tensor."""
    height, width = pair(size)
    if limit is not None and limit < 1:
        raise ValueError(f"limit={limit}, but at least one picture is needed (None = all)")
    count = count if limit is None else min(count, limit)
    images = torch.empty(count, 3, height, width, dtype=torch.uint8)
    labels, broken = [], []
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        rows = islice(rows, count)
        while chunk := list(islice(rows, 512)):  # few rows in flight: the files may be larger than memory
            for row, result in zip(chunk, pool.map(lambda each: _decoded(each, (height, width)), chunk), strict=True):
                if isinstance(result, str):
                    broken.append(result)
                    continue
                images[len(labels)] = torch.from_numpy(result)
                labels.append(row.label)
    _report(broken, len(labels))
    return Pictures(images[: len(labels)], torch.tensor(labels, dtype=torch.int64), broken)


def _decoded(row: Row, size: tuple[int, int]) -> np.ndarray | str:
    try:
        return thumbnail(row.data(), size, name=row.name)
    except (ValueError, OSError) as err:
        return str(err)


def _report(broken: list[str], good: int) -> None:
    if not good:
        first = f" The first: {broken[0]}" if broken else ""
        raise ValueError(f"none of {len(broken)} pictures could be read, but at least one is needed.{first}")
    if broken:
        warnings.warn(f"{len(broken)} of {len(broken) + good} pictures left out. The first: {broken[0]}", stacklevel=4)


def _files(paths: Paths) -> list[str]:
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[str] = []
    for each in [os.fspath(path) for path in given]:
        found = [each] if os.path.isfile(each) else sorted(glob.glob(os.path.expanduser(each)))
        if not found:
            raise FileNotFoundError(f"{each!r} matches no file, but Parquet files are needed (now in {os.getcwd()})")
        files += found
    if not files:
        raise ValueError("no paths given, but at least one Parquet file is needed")
    return files


def _parquet(path: str) -> Any:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except (ArrowException, OSError) as err:
        raise ValueError(f"{path} cannot be read as Parquet: {err}") from err
    if "image" not in file.schema_arrow.names:
        raise ValueError(f"{path} has columns {file.schema_arrow.names}, but image: {{bytes, path}} is needed")
    return file


def _length(path: str) -> int:
    with _parquet(path) as file:
        return file.metadata.num_rows


def _rows(files: list[str]) -> Iterator[Row]:
    for path in files:
        with _parquet(path) as file:
            columns = [each for each in ("image", "label") if each in file.schema_arrow.names]
            index = 0
            for batch in file.iter_batches(batch_size=512, columns=columns):
                for row in batch.to_pylist():
                    yield _row(f"{Path(path).name} row {index}", row)
                    index += 1


def _row(name: str, row: dict[str, Any]) -> Row:
    image, label = row["image"], row.get("label")
    data = image.get("bytes") if isinstance(image, dict) else image

    def read() -> bytes:
        if not isinstance(data, bytes):
            raise ValueError(f"{name} has no picture bytes (image = {str(image)[:60]})")
        return data

    return Row(name, read, label if isinstance(label, int) else -1)
