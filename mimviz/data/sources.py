"""From what people have to rows of (name, bytes, label) and names of classes: nothing is decoded here."""

from __future__ import annotations

import csv
import json
import os
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, partial
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from .folder import folder_rows
from .parquet import Row, _files

IMAGE_COLUMNS = ("image", "img", "file", "file_name", "filename", "path", "filepath", "picture", "image_path")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "fine_label", "species")
Found = tuple[list[Row], list[str]]


def rows_of(source: Any, *, image: str | None = None, label: str | None = None) -> Found:
    """(rows in order, names of classes; [] where the source has none)."""
    if hasattr(source, "cast_column") and hasattr(source, "features"):
        return _hugging_face(source, image, label)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        inside = sorted(path.glob("*.parquet")) if path.is_dir() else []
        if path.is_dir() and not inside:
            return folder_rows(path)
        if path.suffix.lower() in (".csv", ".tsv"):
            return _csv(path, image, label)
        return _parquet(_files(inside or source), image, label)
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, os.PathLike)) for each in source):
        return _parquet(_files(source), image, label)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return _indexed(source)
    raise TypeError(
        f"source is {type(source).__name__}, but a folder, a CSV or Parquet file, a torchvision or a Hugging Face dataset is wanted"
    )


def _csv(path: Path, image: str | None, label: str | None) -> Found:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file (now in {os.getcwd()})")
    text = path.read_text("utf-8-sig")
    delimiter = max(",;\t", key=lambda mark: text.partition("\n")[0].count(mark))
    table = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    if not table:
        raise ValueError(f"{path} has no rows below its first line, but one row for each picture is wanted")
    columns = list(table[0])
    at, told = (
        _column(columns, image, IMAGE_COLUMNS, "image", path),
        _column(columns, label, LABEL_COLUMNS, "label", path),
    )
    names, numbers = _numbered([row[told] for row in table])
    files = [path.parent / (row[at] or "") for row in table]
    return [
        Row(row[at] or f"row {i}", file.read_bytes, n)
        for i, (row, file, n) in enumerate(zip(table, files, numbers, strict=True))
    ], names


def _parquet(files: list[str], image: str | None, label: str | None) -> Found:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    rows: list[Row] = []
    told: list[Any] = []
    names: list[str] = []
    for path in files:
        try:
            with ParquetFile(path) as file:
                schema, groups = (
                    file.schema_arrow,
                    [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)],
                )
                at = _column(schema.names, image, IMAGE_COLUMNS, "image", path)
                tags = _column(schema.names, label, LABEL_COLUMNS, "label", path, needed=False)
                told += file.read(columns=[tags]).column(tags).to_pylist() if tags else [-1] * sum(groups)
        except (ArrowException, OSError) as err:
            raise ValueError(f"{path} cannot be read as Parquet: {err}") from err
        names = names or _named(schema.metadata, tags)
        cells = _Cells(path, at, groups)
        rows += [
            Row(f"{Path(path).name} row {i}", _bytes_of(partial(cells.at, i), Path(path).parent), -1)
            for i in range(sum(groups))
        ]
    if all(each is None or isinstance(each, int) for each in told):
        return [row._replace(label=-1 if n is None else n) for row, n in zip(rows, told, strict=True)], names
    found, numbers = _numbered(told)
    return [row._replace(label=n) for row, n in zip(rows, numbers, strict=True)], found


class _Cells:
    """A column of a Parquet file. Of its groups of rows the last two are held: the file may be larger than memory."""

    def __init__(self, path: str, column: str, groups: list[int]) -> None:
        self._path, self._column, self._starts = path, column, list(accumulate(groups, initial=0))
        self._reading, self._group = Lock(), lru_cache(maxsize=2)(self._read)

    def at(self, row: int) -> Any:
        group = bisect_right(self._starts, row) - 1
        with self._reading:  # rows are asked for by several threads
            return self._group(group)[row - self._starts[group]].as_py()

    def _read(self, group: int) -> Any:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self._path) as file:
            return file.read_row_group(group, columns=[self._column]).column(self._column)


def _hugging_face(source: Any, image: str | None, label: str | None) -> Found:
    from datasets import Image as Undecoded

    kinds = {name: type(kind).__name__ for name, kind in source.features.items()}
    pictures = tuple(name for name, kind in kinds.items() if kind == "Image")
    at = _column(list(kinds), image, (*pictures, *IMAGE_COLUMNS), "image", "the dataset")
    labelled = tuple(name for name, kind in kinds.items() if kind == "ClassLabel")
    tags = _column(list(kinds), label, (*labelled, *LABEL_COLUMNS), "label", "the dataset", needed=False)
    raw = source.cast_column(at, Undecoded(decode=False)) if kinds[at] == "Image" else source
    told = list(source[tags]) if tags else [-1] * len(source)
    rows = [Row(f"row {i}", _bytes_of(lambda i=i: raw[i][at], Path()), -1) for i in range(len(source))]
    if tags and kinds[tags] == "ClassLabel":
        return [row._replace(label=n) for row, n in zip(rows, told, strict=True)], list(source.features[tags].names)
    names, numbers = _numbered(told) if tags else ([], told)
    return [row._replace(label=n) for row, n in zip(rows, numbers, strict=True)], names


def _indexed(source: Any) -> Found:
    """torchvision's way: source[i] is (picture, label). Labels are asked for where the dataset keeps them, else item by item."""
    told = next(
        (list(getattr(source, name)) for name in ("targets", "labels", "_labels") if hasattr(source, name)), None
    )
    if told is None:
        told = [source[i][1] for i in range(len(source))]
    names = [str(each) for each in getattr(source, "classes", [])]
    rows = [Row(f"item {i}", _encoded(lambda i=i: source[i][0]), int(n)) for i, n in enumerate(told)]
    return rows, names


def _encoded(get: Callable[[], Any]) -> Callable[[], bytes]:
    """A picture object as the bytes of a PNG, without loss."""

    def read() -> bytes:
        from .open import image as opened

        try:
            made = get()
        except (ValueError, OSError, SyntaxError) as err:
            raise ValueError(f"cannot be read: {err}") from err
        if not isinstance(made, Image.Image):
            made = Image.fromarray((opened(made).array * 255).round().astype(np.uint8))
        out = BytesIO()
        (made if made.mode in ("RGB", "L", "RGBA") else made.convert("RGB")).save(out, "PNG", compress_level=1)
        return out.getvalue()

    return read


def _bytes_of(get: Callable[[], Any], beside: Path) -> Callable[[], bytes]:
    """Of {bytes, path}, bytes, or a path relative to the file that names it."""

    def read() -> bytes:
        cell = get()
        data = (cell.get("bytes") or cell.get("path")) if isinstance(cell, dict) else cell
        if isinstance(data, str):
            return (beside / data).read_bytes()
        if not isinstance(data, bytes):
            raise ValueError(f"there are no picture bytes (image = {str(cell)[:60]})")
        return data

    return read


def _column(
    columns: list[str], asked: str | None, usual: tuple[str, ...], what: str, where: Any, *, needed: bool = True
) -> Any:
    if asked is not None and asked not in columns:
        raise ValueError(f"{what} is {asked!r}, but {where} has columns {', '.join(columns)}")
    lower = {name.lower(): name for name in columns if name}
    found = asked or next((lower[each.lower()] for each in usual if each.lower() in lower), None)
    if found is None and needed:
        raise ValueError(
            f"{where} has columns {', '.join(columns)}: say which holds the {what}, e.g. {what}={columns[0]!r}"
        )
    return found


def _numbered(told: list[Any]) -> tuple[list[str], list[int]]:
    """Names in order (numbers by value), and the number of each; -1 for an empty cell."""
    texts = ["" if each is None else str(each).strip() for each in told]
    whole = all(text.lstrip("-").isdigit() for text in texts if text)
    names = sorted({text for text in texts if text}, key=int if whole else str)  # type: ignore[arg-type]
    place = {name: number for number, name in enumerate(names)}
    return names, [place.get(text, -1) for text in texts]


def _named(metadata: dict[bytes, bytes] | None, column: str | None) -> list[str]:
    """Names of classes as Hugging Face's datasets writes them into a Parquet file."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(each) for each in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
