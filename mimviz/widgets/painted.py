"""A picture with a mask painted over it: what every widget shares in which people hide patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from ..core import Grid, Mask, Picture, seeded
from ..data import image
from ..grammar.where import STRATEGIES
from .live import LiveWidget
from .reconstruction import Problem, problem, read_mask


class Painted(LiveWidget):
    """A picture, its mask, how masks are drawn, and files that are dropped on it.

    A subclass sets `_grid` and `_picture` before its traits, and asks its engine in `_ask` whenever something has changed.
    """

    rows = t.Int().tag(sync=True)
    cols = t.Int().tag(sync=True)
    height = t.Int().tag(sync=True)
    width = t.Int().tag(sync=True)
    title = t.Unicode("Paint a mask").tag(sync=True)

    hidden = t.Bytes().tag(sync=True, from_json=lambda data, painted: painted._read(data))
    """One byte per patch, row by row, 1 = hidden."""
    stroke = t.Int().tag(sync=True)
    """Counts the changes made in the browser."""
    dragging = t.Bool().tag(sync=True)

    original = t.Bytes().tag(sync=True)
    """PNG of the picture as the model sees it."""
    report = t.Dict().tag(sync=True)
    """About what is on display: `stroke`, `exact` and more; empty before the first answer."""
    problem = t.Dict().tag(sync=True)
    """A `Problem`: why there is no answer; empty when there is one."""

    strategies = t.List(t.Unicode(), list(STRATEGIES)).tag(sync=True)
    strategy = t.Unicode("random").tag(sync=True)
    ratio = t.Float(0.75, min=0, max=1).tag(sync=True)
    seed = t.Int(0).tag(sync=True)
    draw = t.Int().tag(sync=True)
    """Counts the requests to draw a mask with strategy, ratio and seed."""

    normalized = t.Bool().tag(sync=True)
    """The model predicts normalized patches, so there are two ways to show them."""
    statistics = t.Enum(["visible", "true"], "visible").tag(sync=True)

    upload = t.Bytes().tag(sync=True, echo_update=False, from_json=lambda data, _: bytes(data))
    """A picture file from the browser; emptied as soon as it is read."""
    upload_name = t.Unicode().tag(sync=True)

    _grid: Grid
    _picture: Picture | None
    _refusal: Problem | None = None  # said until the next change of mask or picture
    _untold = False  # other browsers have not seen the drag

    @property
    def mask(self) -> Mask:
        """The mask as painted. Assign a Mask, or rows × cols truth values, to repaint; ValueError for another grid."""
        return read_mask(self.hidden, self._grid)

    @mask.setter
    def mask(self, mask: Any) -> None:
        hidden = self._bytes(mask)
        with self.together():
            self.dragging = False
            self.hidden = hidden

    def load(self, source: Any) -> None:
        """Take another picture and keep the mask; raises what `mimviz.image` raises, and then nothing has changed."""
        raise NotImplementedError

    def _ask(self) -> None:
        raise NotImplementedError

    @t.observe("hidden", "stroke", "dragging", "statistics")
    def _changed(self, change: Any) -> None:
        self._ask()

    @t.observe("draw")
    def _draw(self, change: Any) -> None:
        if self._picture is None:
            return
        try:
            self.mask = drawn_mask(self._picture, self._grid, strategy=self.strategy, ratio=self.ratio, seed=self.seed)
        except Exception as error:
            self._refuse("No mask could be drawn", error, "The mask before it is still here.")

    @t.observe("upload")
    def _uploaded(self, change: Any) -> None:
        if not self.upload:
            return
        try:
            self.load(self.upload)
        except Exception as error:
            name = self.upload_name or "The file"
            self._refuse(f"{name} could not be opened", error, "The picture before it is still here.")
        self.upload = b""

    def _refuse(self, title: str, error: Exception, hint: str) -> None:
        self.problem = self._refusal = problem(title, error, hint)

    def _send(self, msg: dict, buffers: Any = None) -> None:
        """Steps of a drag are not echoed: the browser that paints has no use for it, and others get the mask at the end."""
        if msg.get("method") == "echo_update" and msg["state"].get("dragging", self.dragging):
            self._untold = True
        else:
            super()._send(msg, buffers)

    def _tell_drag(self, exact: bool) -> None:
        """After a drag: the mask for the browsers that have not seen it."""
        if exact and self._untold:
            self._untold = False
            self.send_state(["stroke", "hidden"])

    # --- masks in and out ---

    def _read(self, data: Any) -> bytes:
        """The browser's mask as 0 and 1; of another size, it is refused and the browser gets the last good one back."""
        hidden = np.frombuffer(bytes(data), np.uint8)
        if hidden.size == self._grid.count:
            return (hidden != 0).astype(np.uint8).tobytes()
        wants = f"{self.rows} x {self.cols} = {self._grid.count}"
        error = f"mask has {hidden.size} patches, but this model's grid has {wants}: it was made for another model"
        self._refuse("This mask does not fit", ValueError(error), "The mask before it is still here.")
        self.send_state("hidden")
        return self.hidden

    @t.validate("hidden")
    def _sized(self, proposal: Any) -> bytes:
        has, wants = len(proposal["value"]), self._grid.count
        if has != wants:
            raise t.TraitError(
                f"hidden has {has} bytes, but one for each of {wants} patches is wanted: set mask instead"
            )
        return bytes(map(bool, proposal["value"]))

    @t.validate("strategy")
    def _known_strategy(self, proposal: Any) -> str:
        if proposal["value"] not in self.strategies:
            raise t.TraitError(f"strategy is {proposal['value']!r}, but there are {', '.join(self.strategies)}")
        return proposal["value"]

    def _bytes(self, mask: Any) -> bytes:
        mask = self._grid.check(mask if isinstance(mask, Mask) else Mask.from_array(mask))
        if len(mask) != 1:
            raise ValueError(f"mask is for {len(mask)} pictures, but a painter shows one: take one, e.g. mask[0]")
        return mask.array.astype(np.uint8).tobytes()


def fitted(source: Any, grid: Grid) -> Picture:
    """Whatever `mimviz.image` opens, as large as the grid."""
    return image(source, size=(grid.height, grid.width))


def drawn_mask(picture: Picture, grid: Grid, *, strategy: str, ratio: float, seed: int) -> Mask:
    """A mask by the name of its strategy; ValueError for a name that there is not."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is {strategy!r}, but there are {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy](ratio)(picture.tensor(), grid, seeded(seed))
