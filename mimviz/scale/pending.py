"""What was said and is not on disk yet: written when it is old, or much, or the last of its kind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .asked import Said
from .parts import FOLDER, Part, write_part
from .rows import Read

BYTES = 2**26  # of arrays, after which a part is written in any case


class Pending:
    """`add(read, said, failed)` batch after batch, each behind the one before it or after a gap; `flush()` writes the rest."""

    def __init__(self, store: Path, columns: Mapping[str, str], *, seconds: float):
        self._columns = columns
        self._folder, self._seconds, self._since = store / FOLDER, seconds, time.monotonic()
        self._batches: list[tuple[Sequence[Read], Said | None, Mapping[int, str]]] = []
        self._bytes = 0

    @property
    def rows(self) -> int:
        return sum(len(read) for read, _, _ in self._batches)

    def add(self, read: Sequence[Read], said: Said | None, failed: Mapping[int, str]) -> None:
        if self._batches and self._batches[-1][0][-1].number + 1 != read[0].number:
            self.flush()
        self._batches.append(([replace(each, pixels=None) for each in read], said, failed))
        self._bytes += sum(each.nbytes for each in said.arrays.values()) if said else 0
        self._bytes += sum(len(each.small) for each in read)
        if self._bytes > BYTES or time.monotonic() - self._since > self._seconds:
            self.flush()

    def flush(self) -> None:
        held, self._batches, self._bytes, self._since = self._batches, [], 0, time.monotonic()
        if held:
            read = [each for batch, _, _ in held for each in batch]
            part = Part(read[0].number, read[-1].number + 1, self._folder)
            failed = {number: why for _, _, some in held for number, why in some.items()}
            good = np.array([each.number not in failed for each in read])
            said = [each for _, each, _ in held if each is not None]
            write_part(part, _table(read, said, good, failed, self._columns), _arrays(said, good))


def _table(
    read: Sequence[Read], said: Sequence[Said], good: np.ndarray, failed: Mapping[int, str], columns: Mapping[str, str]
):
    found: dict[str, Any] = {
        "row": [each.number for each in read],
        "name": [each.row.name for each in read],
        "label": [each.row.label for each in read],
        "error": [failed.get(each.number) for each in read],
        "thumbnail": [each.small or None for each in read],
    }
    for name, kind in columns.items():
        values = [each.columns[name] for each in said]
        found[name] = _spread(np.concatenate(values) if values else np.zeros(0, kind), good)
    return pa.table(found, schema=schema(columns))


def schema(columns: Mapping[str, str]) -> pa.Schema:
    """Of every part's table: what each store has, then {name: type} of what was asked."""
    first = {
        "row": pa.int64(),
        "name": pa.string(),
        "label": pa.int64(),
        "error": pa.string(),
        "thumbnail": pa.binary(),
    }
    return pa.schema(list((first | {name: pa.type_for_alias(kind) for name, kind in columns.items()}).items()))


def _spread(values: np.ndarray, good: np.ndarray) -> pa.Array:
    """Null where nothing is known."""
    out = np.zeros(len(good), values.dtype)
    out[good] = values
    bad = ~good | (np.isnan(out) if out.dtype.kind == "f" else False)
    return pa.array(out, mask=bad)


def _arrays(said: Sequence[Said], good: np.ndarray) -> dict[str, np.ndarray]:
    found = {}
    for name in said[0].arrays if said else ():
        values = np.concatenate([each.arrays[name] for each in said])
        found[name] = np.full((len(good), *values.shape[1:]), np.nan, np.float32)
        found[name][good] = values
    return found
