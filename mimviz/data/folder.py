"""A folder of pictures, flat or with a folder for each class, to one tensor of training pictures."""

from __future__ import annotations

import os
from pathlib import Path

from .parquet import Paths, Pictures, Row, gather, read_parquet

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"}


def read_folder(path: str | os.PathLike[str], *, size: int | tuple[int, int], limit: int | None = None) -> Pictures:
    """The pictures of a folder by name; the folders in it are classes, numbered from 0 by name.

    Sizes, `limit` and broken files as in `read_parquet`. Pictures outside a class folder get label -1.
    Raises FileNotFoundError for no such folder, ValueError for a folder without pictures.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder, but a folder of pictures is needed (now in {os.getcwd()})")
    rows, _ = folder_rows(root)
    return gather(iter(rows), count=len(rows), size=size, limit=limit)


def folder_rows(root: Path) -> tuple[list[Row], list[str]]:
    """(a row for each picture by name, names of the classes); ValueError for a folder without pictures."""
    classes = sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
    files = [(each, -1) for each in sorted(root.iterdir()) if _is_picture(each)]
    for label, folder in enumerate(classes):
        files += [(each, label) for each in sorted(folder.rglob("*")) if _is_picture(each)]
    if not files:
        raise ValueError(f"{root} holds no pictures, but at least one of {', '.join(sorted(SUFFIXES))} is needed")
    return [Row(str(each.relative_to(root)), each.read_bytes, label) for each, label in files], [
        each.name for each in classes
    ]


def load_images(source: Paths, *, size: int | tuple[int, int], limit: int | None = None) -> Pictures:
    """Training pictures from a folder, or from Parquet files given as a path, a glob or a list of them."""
    if isinstance(source, (str, os.PathLike)) and Path(source).expanduser().is_dir():
        inside = sorted(Path(source).expanduser().glob("*.parquet"))
        return read_parquet(inside, size=size, limit=limit) if inside else read_folder(source, size=size, limit=limit)
    return read_parquet(source, size=size, limit=limit)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
