"""A store of `mimviz.inspect` to look through: every picture a point, and beside the points the pictures themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets as t

from ..core import Picture
from ..scale import Store, open_store, pca
from ..zoo import opened
from .dataset_gallery import DatasetGallery
from .dataset_shelf import CLASS, Shelf

TOOLS = ("SaliencyComparer", "AttentionExplorer", "RegisterInspector", "MaskPainter")
DARK, LIGHT = "#1b1c1e", "#ffffff"


class DatasetExplorer(ipywidgets.VBox):
    """`DatasetExplorer(store)`: a scatter of all pictures, a gallery that is filtered and sorted, one picture opened.

    Parameters
    ----------
    store : a Store, or the folder of one.
    model : for the other widgets: a model or its name; without one pictures are only shown.
    source : the dataset, where the store does not know its path.
    x, y : names of columns to lay out by; the first two principal components of `features` where None.
    features : "avg" or "token".
    height : of the scatter, in pixels.

    A click on a point or a thumbnail picks its picture: `explorer.picked` is its row (None for none), `explorer.picture` the
    picture, `explorer.look_in("AttentionExplorer")` shows it in another widget below. The scatter's lasso chooses what the gallery
    shows. `explorer.filter(loss=(2, None), label=[0, 3])`, `explorer.sort("loss", descending=True)` and `explorer.rows` are the
    same by hand. Numbers are held, 4 bytes for each column and picture that is asked for; names and thumbnails are read a page at a
    time. The scatter is jupyter-scatter's: `pip install mimviz[explore]`.
    """

    picked = t.Int(None, allow_none=True)

    def __init__(
        self,
        store: Store | str,
        model: Any = None,
        *,
        source: Any = None,
        x: str | None = None,
        y: str | None = None,
        features: str = "avg",
        height: int = 380,
    ):
        jscatter = _scatter_library()
        self.store = store if isinstance(store, Store) else open_store(store)
        if not self.store.rows:
            raise ValueError(f"{self.store.folder} has no pictures yet: let mimviz.inspect run first")
        self.source, self._model, self.opened = source, model, None
        self.shelf = Shelf(self.store)
        places = _places(self.store, self.shelf, x, y, features)
        self._at = np.flatnonzero(np.isfinite(places).all(1))  # the row of each point
        self._point = np.full(len(places), -1)
        self._point[self._at] = np.arange(len(self._at))
        labels = (x, y) if x and y else ("first component", "second component")
        self.gallery = DatasetGallery(self.shelf, picture=self._shown, tools=list(TOOLS) if model is not None else [])
        self.scatter = _scatter(jscatter, places[self._at], labels, height)
        self._recolour()  # before its widget is made: what is changed between that and its first view is not drawn
        self._listen()
        super().__init__([self.scatter.widget, self.gallery], layout=ipywidgets.Layout(width="100%"))

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the pictures that pass the filters, in the order of the gallery."""
        return self.gallery.rows

    @property
    def picture(self) -> Picture:
        """The picked picture, whole where the dataset is at hand, else its thumbnail. ValueError where none is picked."""
        if self.picked is None:
            raise ValueError("no picture is picked: click one, or set explorer.picked to a row")
        return self._shown(self.picked)

    def filter(self, **wanted: Any) -> DatasetExplorer:
        """A (least, most) pair for a column of numbers, None for no bound; a list of values of `label` or `class`; None for all."""
        with self.gallery.together():
            self.gallery.filters = self.shelf.checked({**self.gallery.filters, **wanted})
        return self

    def sort(self, column: str, *, descending: bool = False) -> DatasetExplorer:
        """By a column; "row" is the order of the dataset."""
        self.shelf.known(column)
        with self.gallery.together():
            self.gallery.sort, self.gallery.descending = column, descending
        return self

    def look_in(self, tool: str) -> Any:
        """The picked picture in another widget, which is shown below and returned."""
        from .. import widgets

        if tool not in TOOLS:
            raise ValueError(f"tool is {tool!r}, but {', '.join(TOOLS)} are there")
        if self._model is None:
            raise ValueError("there is no model to look with: give one, DatasetExplorer(store, model)")
        self._model = opened(self._model)
        made = getattr(widgets, tool)
        widget = made(self.picture, self._model) if tool == "MaskPainter" else made(self._model, self.picture)
        if self.opened is not None:
            self.opened.close()
        self.opened = widget
        self.children = [self.scatter.widget, self.gallery, widget]
        return widget

    def wait(self, timeout: float | None = 60.0) -> None:
        """Block until the gallery shows what was asked."""
        self.gallery.wait(timeout)

    def close(self) -> None:
        """Off the page, with everything inside."""
        for each in (
            self.opened,
            getattr(self, "gallery", None),
            getattr(getattr(self, "scatter", None), "widget", None),
        ):
            if each is not None:
                each.close()
        super().close()

    def __repr__(self) -> str:
        return f"DatasetExplorer({self.store!r})"

    # --- inside ---

    def _listen(self) -> None:
        # first of all: the library makes its widget when it is first asked for, and two threads that ask make two
        self.scatter.widget.observe(lambda change: self._lassoed(change["new"]), "selection")
        self.gallery.observe(lambda change: self._pick(change["new"]), "picked")
        self.gallery.observe(lambda _: self._thin(), "found")
        self.gallery.observe(lambda _: self._recolour(), "colour")
        self.gallery.observe(lambda change: self.scatter.background(DARK if change["new"] else LIGHT), "dark")
        self.gallery.observe(lambda change: change["new"] and self._asked(change["new"]), "wanted")

    def _pick(self, row: int) -> None:
        self.picked = None if row < 0 else row
        point = -1 if row < 0 else int(self._point[row])
        held = self.scatter.widget.selection
        if point >= 0 and (held is None or point not in np.asarray(held)):
            self.scatter.selection([point])

    @t.observe("picked")
    def _picked(self, change: Any) -> None:
        row = -1 if change["new"] is None else change["new"]
        if not -1 <= row < self.store.rows:
            raise t.TraitError(f"picked is {row}, but this store has rows 0 to {self.store.rows - 1}")
        with self.gallery.together():
            self.gallery.picked = row

    def _lassoed(self, points: Any) -> None:
        chosen = self._at[np.asarray([] if points is None else points, dtype=int)]
        with self.gallery.together():
            self.gallery.choose(chosen if len(chosen) > 1 else None)
            if len(chosen) == 1:
                self.gallery.picked = int(chosen[0])

    def _thin(self) -> None:
        """The scatter shows what passes the filters; the lasso alone hides nothing."""
        passing = self.shelf.passing(self.gallery.filters)[self._at]
        if not passing.all() or self.scatter.widget.filter is not None:
            self.scatter.filter(np.flatnonzero(passing))

    def _recolour(self) -> None:
        name = self.gallery.colour
        if name:
            many = self.shelf.kind(name) == CLASS
            values = (_ranked if many else _filled)(self.shelf.column(name)[self._at])
            limits = float(values.min()), max(float(values.max()), float(values.min()) + 1e-9)
            self.scatter.color(by=values, map="turbo" if many else "viridis", norm=limits)
            self.scatter.legend(not many)  # of classes, the colours only tell neighbours apart

    def _asked(self, tool: str) -> None:
        try:
            self.look_in(tool)
            self.gallery.tell(None)
        except Exception as error:  # said where it was asked, not in the log
            self.gallery.tell(error)
        self.gallery.wanted = ""

    def _shown(self, row: int) -> Picture:
        try:
            return self.store.picture(row, self.source)
        except (OSError, ValueError, TypeError):
            small = self.store.take([row], ["thumbnail"])[0]["thumbnail"]
            if small is None:
                raise
            from ..data import image

            return image(small)


def _scatter_library() -> Any:
    try:
        import jscatter
    except ImportError as err:
        raise ImportError(
            "DatasetExplorer is drawn by jupyter-scatter, which is not installed: pip install mimviz[explore]"
        ) from err
    return jscatter


def _places(store: Store, shelf: Shelf, x: str | None, y: str | None, features: str) -> np.ndarray:
    if (x is None) != (y is None):
        raise ValueError(f"x is {x!r} and y is {y!r}, but both are wanted, or neither for principal components")
    if x is None or y is None:
        return pca(store, f"features/{features}")
    return np.stack([shelf.column(x), shelf.column(y)], axis=1).astype(np.float32)


def _scatter(jscatter: Any, places: np.ndarray, labels: Sequence[str], height: int) -> Any:
    import pandas

    table = pandas.DataFrame({"x": places[:, 0], "y": places[:, 1]})
    size = max(3, min(8, round(400 / max(len(places), 1) ** 0.5)))
    made = jscatter.Scatter(x="x", y="y", data=table, height=height, size=size, opacity=0.85)
    made.axes(True, labels=list(labels), grid=False)
    return made


def _ranked(values: np.ndarray) -> np.ndarray:
    """Numbers of classes 0..1, so that neighbours in the list are told apart."""
    kinds, at = np.unique(values, return_inverse=True)
    order = np.argsort([(i * 0.618034) % 1 for i in range(len(kinds))]).argsort()
    return order[at] / max(len(kinds) - 1, 1)


def _filled(values: np.ndarray) -> np.ndarray:
    """Finite numbers: what is not known takes the least."""
    known = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, known.min() if len(known) else 0.0)
