"""A store: what was said of a dataset, on disk, read a few rows at a time however many there are."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from ..core import Heatmap, Picture
from .parts import GROUP, MANIFEST, Part, parts_in
from .pending import schema
from .rows import rows

FORMAT = 1


class Store:
    """What `inspect` wrote to a folder; open one with `mimviz.open_store(folder)`.

    The folder holds `manifest.json` (the question: model fingerprint, words, dataset; versions; names of columns and arrays) and
    `parts/`, for each run of rows a Parquet file and a safetensors file with the arrays of the same rows, NaN where a picture was
    broken. Columns of every store: `row` (the picture's place in the dataset), `name`, `label` (-1: none), `error` (null: none),
    `thumbnail` (JPEG); the rest depends on what was asked, see `mimviz.scale.asked`.

    `rows` of `of` pictures are known; `complete` says whether that is all. `table` is a lazy pyarrow Dataset:
    `store.table.to_table(columns=["name", "loss"], filter=pc.field("loss") > 2)`. A store that is still being written, or was cut
    off, opens all the same.
    """

    def __init__(self, folder: str | Path):
        """FileNotFoundError where there is no such folder, ValueError for a folder that is no store."""
        self.folder = Path(folder).expanduser()
        if not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder} is no folder, but one that mimviz.inspect wrote is wanted")
        try:
            self.manifest: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text("utf-8"))
            if self.manifest["format"] != FORMAT:
                raise ValueError(f"its format is {self.manifest['format']}, but this mimviz reads {FORMAT}")
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ValueError(f"{self.folder} is no store of mimviz.inspect: {MANIFEST} cannot be read ({err})") from err
        self.parts: list[Part] = []
        self.refresh()

    def refresh(self) -> Store:
        """Takes in what was written since."""
        self.parts = parts_in(self.folder)
        for name in ("table", "errors"):
            vars(self).pop(name, None)
        return self

    def __repr__(self) -> str:
        broken = f", {len(self.errors)} broken" if self.errors else ""
        return f"Store({str(self.folder)!r}: {self.rows} of {self.of} pictures{broken}; {', '.join(self.arrays) or 'no arrays'})"

    def __len__(self) -> int:
        return self.rows

    @property
    def rows(self) -> int:
        return sum(part.stop - part.start for part in self.parts)

    @property
    def of(self) -> int:
        """Pictures of the dataset."""
        return int(self.manifest["question"]["rows"])

    @property
    def complete(self) -> bool:
        return self.rows == self.of

    @cached_property
    def table(self) -> Any:
        """A pyarrow Dataset of all rows so far: nothing is read before it is asked for."""
        from pyarrow import dataset

        told = schema(self.manifest["columns"])
        files = [str(part.table) for part in self.parts]
        return dataset.dataset(files, told, format="parquet") if files else dataset.dataset(told.empty_table())

    @cached_property
    def errors(self) -> list[tuple[int, str, str]]:
        """(row, name, why) of each picture that could not be read or asked."""
        import pyarrow.compute as pc

        if not self.parts:
            return []
        found = self.table.to_table(columns=["row", "name", "error"], filter=pc.field("error").is_valid()).to_pylist()
        return [(each["row"], each["name"], each["error"]) for each in found]

    @property
    def columns(self) -> list[str]:
        """Those with a number for each picture."""
        return list(self.manifest["columns"])

    @property
    def arrays(self) -> list[str]:
        """`features/avg`, `heat/Rollout`, …"""
        return list(self.manifest["arrays"])

    @property
    def classes(self) -> list[str]:
        """What the labels are called; [] where the dataset has no names."""
        return list(self.manifest["classes"])

    @property
    def model_classes(self) -> list[str]:
        """What the numbers in `class` are called; [] where the model has no names."""
        return list(self.manifest["model_classes"])

    def column(self, name: str) -> np.ndarray:
        """(rows,) of one column, in order; 8 bytes a row. KeyError for one that there is not."""
        if name not in self.table.schema.names:
            raise KeyError(f"there is no column {name!r}, but {', '.join(self.table.schema.names)}")
        return self.table.to_table(columns=[name]).column(name).to_numpy()

    def row(self, number: int) -> dict[str, Any]:
        """All columns of one picture."""
        return self.take([number])[0]

    def take(self, numbers: Sequence[int] | np.ndarray, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The rows with these numbers, in this order: only the groups of rows that hold them are read."""
        import pyarrow.parquet as pq

        wanted: dict[tuple[Part, int], list[int]] = {}
        for number in map(int, numbers):
            part = self._part(number)
            wanted.setdefault((part, (number - part.start) // GROUP), []).append(number)
        found = {}
        for (part, group), inside in wanted.items():
            with pq.ParquetFile(part.table) as file:
                table = file.read_row_group(group, columns=None if columns is None else list(columns))
            first = part.start + group * GROUP
            found |= zip(inside, table.take([number - first for number in inside]).to_pylist(), strict=True)
        return [found[int(number)] for number in numbers]

    def array(self, name: str, numbers: Sequence[int] | None = None) -> np.ndarray:
        """(rows, …) of one array, of all rows so far or of some; NaN where a picture was broken."""
        if name not in self.arrays:
            raise KeyError(f"there is no array {name!r}, but {', '.join(self.arrays) or 'none'}")
        if numbers is None:
            found = [_read(part, name) for part in self.parts]
        else:
            places = [(part, int(n) - part.start) for n in numbers for part in [self._part(int(n))]]
            found = [_read(part, name, slice(at, at + 1)) for part, at in places]
        shape = next((each.shape[1:] for each in found if each.ndim > 1), None) or self._shape(name)
        empty = [np.full((len(each), *shape), np.nan, np.float32) if each.ndim == 1 else each for each in found]
        return np.concatenate(empty) if empty else np.zeros((0, *shape), np.float32)

    def heat(self, number: int, lens: str) -> Heatmap:
        """The map of one picture by one lens, named as in the store. ValueError where the picture was broken."""
        values = self.array(f"heat/{lens}", [number])
        if np.isnan(values).any():
            raise ValueError(f"picture {number} has no map: {self.row(number)['error']}")
        return Heatmap(torch.from_numpy(values), self.manifest["question"]["lenses"][lens], bool((values < 0).any()))

    def picture(self, number: int, source: Any = None) -> Picture:
        """The picture itself, from the dataset (`source`, else the path it was opened with).

        Raises ValueError where the dataset is not at hand or is another one: `store.row(n)["thumbnail"]` is in the store.
        """
        from ..data import image

        found = self._rows_of(source)
        try:
            return image(found[number].data())
        except (OSError, ValueError) as err:
            raise ValueError(f"picture {number}, {found[number].name}, cannot be opened: {err}") from err

    # --- inside ---

    def _rows_of(self, source: Any) -> list[Any]:
        from .inspect import digest

        held = vars(self).get("_opened")
        if held is not None and source is None:
            return held
        where = self.manifest["source"] if source is None else source
        if where is None:
            raise ValueError(
                "this dataset was no file or folder: give it as source=…, or take the thumbnail in store.row(n)"
            )
        found, _ = rows(where, **self.manifest["question"]["read"])
        if digest(found[: self.of]) != self.manifest["question"]["dataset"]:
            raise ValueError(
                f"{str(where)[:80]} is not the dataset that was inspected: pictures came, went or changed names"
            )
        self._opened = found
        return found

    def _shape(self, name: str) -> tuple[int, ...]:
        """Of one picture's numbers, from the first part that has any."""
        return next((each.shape[1:] for part in self.parts if (each := _read(part, name, slice(0, 1))).ndim > 1), ())

    def _part(self, number: int) -> Part:
        at = bisect_right([part.start for part in self.parts], number) - 1
        if at < 0 or number >= self.parts[at].stop:
            raise IndexError(f"row {number} is not in this store, which knows {self.rows} of {self.of} pictures")
        return self.parts[at]


def open_store(folder: str | Path) -> Store:
    """The Store in a folder that `mimviz.inspect` wrote, finished or not."""
    return Store(folder)


def _read(part: Part, name: str, rows: slice = slice(None)) -> np.ndarray:
    """(rows, …); (rows,) of a part in which every picture was broken."""
    try:
        with safe_open(part.arrays, "np") as file:
            if name in file.keys():  # noqa: SIM118
                return file.get_slice(name)[rows]
            return np.zeros(len(range(part.stop - part.start)[rows]))
    except (OSError, SafetensorError) as err:
        raise ValueError(
            f"{part.arrays} cannot be read ({err}): remove it with {part.table.name} and ask again"
        ) from err
