"""What a gallery asks of a store: columns as numbers, who passes the filters, in which order, and a page of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..scale import Store

NUMBER, CLASS = "number", "class"


class Shelf:
    """Columns are read when they are asked for and kept as float32; names and thumbnails are read a page at a time."""

    def __init__(self, store: Store):
        self.store = store
        self._held: dict[str, np.ndarray] = {}
        self.names = ["label", *store.columns]

    def kind(self, name: str) -> str:
        return CLASS if name in ("label", "class") else NUMBER

    def known(self, name: str) -> str:
        if name not in (*self.names, "row"):
            raise ValueError(f"there is no column {name!r}, but {', '.join(('row', *self.names))}")
        return name

    def column(self, name: str) -> np.ndarray:
        """(rows,) float32, NaN where nothing is known."""
        if self.known(name) not in self._held:
            self._held[name] = self.store.column(name).astype(np.float32)
        return self._held[name]

    def about(self) -> list[dict[str, Any]]:
        """Each column, for the browser: {name, kind, min, max, values [[number, name]]}."""
        return [self._about(name) for name in self.names]

    def checked(self, filters: Mapping[str, Any]) -> dict[str, list[Any]]:
        """As JSON has them, without those that let everything through. ValueError for what is no filter."""
        found: dict[str, list[Any]] = {}
        for name, wanted in filters.items():
            self.known(name)
            if wanted is None:
                continue
            if not isinstance(wanted, (list, tuple)) or (self.kind(name) == NUMBER and len(wanted) != 2):
                raise ValueError(
                    f"the filter of {name} is {wanted!r}, but (least, most) or a list of classes is wanted"
                )
            values = [None if each is None else float(each) for each in wanted]
            if any(each is not None for each in values):
                found[name] = values
        return found

    def passing(self, filters: Mapping[str, Any]) -> np.ndarray:
        """(rows,) boolean. What is not known passes no filter of its column."""
        out = np.ones(self.store.rows, bool)
        for name, wanted in self.checked(filters).items():
            values = self.column(name)
            if self.kind(name) == CLASS:
                out &= np.isin(values, wanted)
            else:
                least, most = (
                    limit if each is None else each for each, limit in zip(wanted, (-np.inf, np.inf), strict=True)
                )
                out &= (values >= least) & (values <= most)
        return out

    def order(self, passing: np.ndarray, sort: str, *, descending: bool) -> np.ndarray:
        """Row numbers; what is not known comes last in either direction."""
        rows = np.flatnonzero(passing)
        if sort == "row":
            return rows[::-1] if descending else rows
        values = self.column(sort)[rows]
        return rows[np.argsort(-values if descending else values, kind="stable")]

    def page(self, rows: Sequence[int] | np.ndarray, sort: str) -> tuple[list[dict[str, Any]], bytes]:
        """({row, name, label, told, error, size} of each, their thumbnails one after another)."""
        found, data = [], b""
        show = [] if sort in ("row", "label") else [sort]
        for each in self.store.take(rows, ["row", "name", "label", "error", "thumbnail", *show]):
            small = each["thumbnail"] or b""
            told = "" if not show or each[sort] is None else self.say(sort, each[sort])
            label = self.say("label", each["label"]) if each["label"] is not None and each["label"] >= 0 else ""
            about = {key: each[key] for key in ("row", "name")}
            found.append({**about, "label": label, "told": told, "error": each["error"] or "", "size": len(small)})
            data += small
        return found, data

    def facts(self, row: int) -> list[list[str]]:
        """[name, value] of every column of one picture, in words."""
        found = self.store.take([row])[0]
        told = [["row", str(row)], ["name", found["name"]]]
        told += [[name, self.say(name, found[name])] for name in self.names if found[name] is not None]
        return told + ([["error", found["error"]]] if found["error"] else [])

    def say(self, name: str, value: float) -> str:
        if self.kind(name) == NUMBER:
            return f"{value:.4g}"
        if value < 0:
            return "none"
        names = self.store.classes if name == "label" else self.store.model_classes
        if name == "label" and not names and not self.store.manifest["labels"]:
            names = self.store.model_classes  # numbers that were taken for the model's own
        return names[int(value)] if int(value) < len(names) else str(int(value))

    def _about(self, name: str) -> dict[str, Any]:
        values = self.column(name)
        known = values[np.isfinite(values)]
        if self.kind(name) == CLASS:
            return {"name": name, "kind": CLASS, "values": [[int(v), self.say(name, v)] for v in np.unique(known)]}
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        return {"name": name, "kind": NUMBER, "min": low, "max": high}
