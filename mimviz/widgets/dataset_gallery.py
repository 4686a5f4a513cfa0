"""The pictures of a store, a page at a time: filtered, sorted, one of them picked."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets as t
from PIL import Image

from ..core import Picture
from .dataset_shelf import CLASS, Shelf
from .engine import Answer, Turn
from .live import LiveWidget
from .reconstruction import problem

SIDE = 320  # pixels of the picked picture, on its longer side


class DatasetGallery(LiveWidget, bundle="dataset_gallery"):
    """Filters, a page of thumbnails, and the picked picture of a `DatasetExplorer`, which says how it is used."""

    title = t.Unicode().tag(sync=True)
    columns = t.List(t.Dict()).tag(sync=True)
    """[{name, kind: "number" or "class", min, max, values}]."""
    filters = t.Dict().tag(sync=True)
    """{column: [least, most]}, or [values] of a class; null is no bound."""
    sort = t.Unicode("row").tag(sync=True)
    descending = t.Bool(False).tag(sync=True)
    colour = t.Unicode("").tag(sync=True)
    """The column that colours the points."""
    page = t.Int(0, min=0).tag(sync=True)
    size = t.Int(24, min=1, max=200).tag(sync=True)
    """Pictures on a page."""
    picked = t.Int(-1).tag(sync=True)
    tools = t.List(t.Unicode()).tag(sync=True)
    """Widgets that the picked picture can be opened in."""
    wanted = t.Unicode("").tag(sync=True)
    """Set by the browser: one of `tools`."""
    dark = t.Bool(False).tag(sync=True)
    """Set by the browser: whether the page is dark."""
    chosen = t.Int(-1).tag(sync=True)
    """How many points the lasso holds, -1 for none."""
    clear = t.Int(0).tag(sync=True)
    """Counted up by the browser: away with the lasso's choice."""
    found = t.Dict().tag(sync=True)
    """{count, of, pages, broken, items [{row, name, label, told, error, size}]} of the page on display."""
    thumbnails = t.Bytes().tag(sync=True)
    """JPEGs of the items, one after another."""
    detail = t.Dict().tag(sync=True)
    """Of the picked picture: {row, facts [[name, value]], height, width, note}."""
    picture = t.Bytes().tag(sync=True)
    """PNG of the picked picture."""
    problem = t.Dict().tag(sync=True)

    def __init__(self, shelf: Shelf, *, picture: Callable[[int], Picture], **options: Any):
        self.shelf, self._picture, self._only = shelf, picture, None
        self.rows = np.arange(shelf.store.rows)
        numbers = [name for name in shelf.names if shelf.kind(name) != CLASS]
        told = [name for name in numbers if np.isfinite(shelf.column(name)).any()]
        colour = "loss" if "loss" in told else next(iter(told), "")
        super().__init__(title=_title(shelf), columns=shelf.about(), colour=colour, **options)
        self._ask()

    def choose(self, rows: Sequence[int] | np.ndarray | None) -> None:
        """Only these pictures, whatever the filters say beside; None for all."""
        with self.together():
            self._only, self.page = None if rows is None else np.asarray(rows), 0
            self.chosen = -1 if rows is None else len(rows)
        self._ask()

    def tell(self, error: BaseException | None) -> None:
        """What went wrong with what was asked, or nothing."""
        hint = "Choose another picture or another widget."
        self.problem = {} if error is None else problem("The picture could not be opened there", error, hint)

    @t.validate("filters")
    def _possible(self, proposal: Any) -> dict[str, Any]:
        try:
            return self.shelf.checked(proposal["value"])
        except ValueError as err:
            raise t.TraitError(str(err)) from err

    @t.validate("sort", "colour")
    def _a_column(self, proposal: Any) -> str:
        try:
            return proposal["value"] and self.shelf.known(proposal["value"])
        except ValueError as err:
            raise t.TraitError(str(err)) from err

    @t.observe("filters", "sort", "descending", "size")
    def _anew(self, change: Any) -> None:
        if self.comm is not None:
            self.page = 0
            self._ask()

    @t.observe("page", "picked")
    def _turned(self, change: Any) -> None:
        if self.comm is not None:
            self._ask()

    @t.observe("clear")
    def _cleared(self, change: Any) -> None:
        if self.comm is not None:
            self.choose(None)

    def _ask(self) -> None:
        if not self.engine.closed:
            wish = Wish(dict(self.filters), self.sort, self.descending, self.page, self.size, self.picked)
            self.engine.ask(Work(self.shelf, wish, self._only, self._picture))

    def answered(self, answer: Answer) -> None:
        if answer.error:
            self.problem = problem(
                "The store could not be read", answer.error, "Is its folder still there? Run the cell again."
            )
            return
        if isinstance(answer.value, Shown):
            self.rows = answer.value.rows
            self.thumbnails, self.found = answer.value.data, answer.value.found
            self.picture, self.detail, self.problem = answer.value.picture, answer.value.detail, {}


@dataclass(frozen=True)
class Wish:
    filters: dict[str, Any]
    sort: str
    descending: bool
    page: int
    size: int
    picked: int


@dataclass(frozen=True, eq=False)
class Shown:
    rows: np.ndarray
    found: dict[str, Any]
    data: bytes
    detail: dict[str, Any]
    picture: bytes


class Work:
    """A job for the engine: the page that is wished for."""

    def __init__(self, shelf: Shelf, wish: Wish, only: np.ndarray | None, picture: Callable[[int], Picture]):
        self.shelf, self.wish, self.only, self.picture = shelf, wish, only, picture

    def __call__(self, turn: Turn) -> Shown:
        shelf, wish = self.shelf, self.wish
        passing = shelf.passing(wish.filters)
        if self.only is not None:
            passing = passing & np.isin(np.arange(len(passing)), self.only)
        rows = shelf.order(passing, wish.sort, descending=wish.descending)
        pages = max(-(-len(rows) // wish.size), 1)
        page = min(wish.page, pages - 1)
        items, data = shelf.page(rows[page * wish.size : (page + 1) * wish.size], wish.sort)
        found = {
            "count": len(rows), "of": shelf.store.rows, "page": page, "pages": pages,
            "broken": len(shelf.store.errors), "items": items,
        }  # fmt: skip
        return Shown(rows, found, data, *self._picked())

    def _picked(self) -> tuple[dict[str, Any], bytes]:
        row = self.wish.picked
        if row < 0:
            return {}, b""
        facts = self.shelf.facts(row)
        try:
            shown = self.picture(row)
        except (OSError, ValueError) as err:
            return {"row": row, "facts": facts, "note": str(err)}, b""
        height, width = shown.array.shape[:2]
        return {"row": row, "facts": facts, "height": height, "width": width, "note": ""}, _png(shown)


def _png(shown: Picture) -> bytes:
    made, out = Image.fromarray((shown.array * 255).round().astype(np.uint8)), io.BytesIO()
    made.thumbnail((SIDE, SIDE))
    made.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _title(shelf: Shelf) -> str:
    store = shelf.store
    return f"{store.folder.name}: {store.rows:,} pictures by {store.manifest['architecture']}"
