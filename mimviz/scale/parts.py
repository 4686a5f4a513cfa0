"""Parts of a store on disk: a table of rows with the arrays beside it, there whole or not there at all.

A part is named by the rows it holds, `000000064-000000128`. Its arrays are put in place first, its table last, so a table that is
there has its arrays; whatever else a run that was cut off has left behind is swept away by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import save_file

from ..train.checkpoint import publish

MANIFEST, FOLDER, LOCK = "manifest.json", "parts", ".lock"
GROUP = 256  # rows that are read together, however few of them are wanted


@dataclass(frozen=True, order=True)
class Part:
    """Rows `start` to `stop`, which is the first that it does not hold."""

    start: int
    stop: int
    folder: Path

    @property
    def table(self) -> Path:
        return self.folder / f"{self.start:09d}-{self.stop:09d}.parquet"

    @property
    def arrays(self) -> Path:
        return self.table.with_suffix(".safetensors")


def parts_in(store: Path) -> list[Part]:
    """In the order of their rows. ValueError where two hold the same row."""
    found = []
    for path in (store / FOLDER).glob("*.parquet"):
        start, _, stop = path.stem.partition("-")
        if start.isdigit() and stop.isdigit():
            found.append(Part(int(start), int(stop), path.parent))
    found.sort()
    for one, next_one in pairwise(found):
        if next_one.start < one.stop:
            raise ValueError(
                f"{one.table.name} and {next_one.table.name} in {store} hold the same rows: remove one of them"
            )
    return found


def write_part(part: Part, table: pa.Table, arrays: Mapping[str, np.ndarray]) -> None:
    """OSError, with nothing of the part left behind, where there is no room for it."""
    made = [path.with_name(path.name + ".part") for path in (part.arrays, part.table)]
    try:
        save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, made[0])
        pq.write_table(table, made[1], row_group_size=GROUP)
        for path in made:
            _settle(path)
        publish(made[0], part.arrays)
        publish(made[1], part.table)
    except (OSError, SafetensorError, pa.ArrowException) as err:
        for path in (*made, *([] if part.table.exists() else [part.arrays])):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise OSError(
            f"rows {part.start} to {part.stop - 1} could not be written to {part.folder} ({err}): the parts before them are there; "
            "make room and ask again, which goes on from them"
        ) from err


def write_json(path: Path, value: Any) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(part, path)


def sweep(store: Path) -> None:
    """Takes away what a run that was cut off left half done."""
    folder, whole = store / FOLDER, {part.arrays for part in parts_in(store)}
    for path in [*folder.glob("*.part"), *(p for p in folder.glob("*.safetensors") if p not in whole)]:
        path.unlink(missing_ok=True)


@contextmanager
def writing(store: Path) -> Iterator[None]:
    """One run at a time writes into a store; RuntimeError for a second one."""
    lock = FileLock(store / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as err:
        raise RuntimeError(
            f"{store} is being written by another inspection: wait for it, or give another folder"
        ) from err
    try:
        yield
    finally:
        lock.release()


def _settle(path: Path) -> None:
    """On the disk itself, before its name says that it is there."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
