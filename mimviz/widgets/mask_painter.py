"""Paint a mask over a picture; the model's reconstruction follows the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..core import Grid, Mask, Outcome, Picture, seeded
from ..data import image
from ..grammar.where import STRATEGIES
from .engine import Answer
from .live import LiveWidget
from .reconstruction import Problem, Question, problem, read_mask

if TYPE_CHECKING:
    from ..grammar import MaskedModel


class MaskPainter(LiveWidget, bundle="mask_painter"):
    """A picture to hide patches of, and what `mim` makes of the rest.

    Parameters
    ----------
    picture : anything `mimviz.image` takes (name, path, bytes, PIL, array, tensor); fitted to the model's grid.
    mim : a MaskedModel, or a name for `load_mim` (default: the bundled "tiny").
    mask : the first Mask; without one it is drawn with `strategy`, `ratio` and `seed`.
    strategy : "random", "block", "grid" or "simmim".
    ratio : the share of patches to hide, 0..1.
    statistics : "visible" or "true": whose mean and scale undo the normalization of a norm-pix model. "true" leaks.
    title : a caption.

    Read and set `painter.mask` at any time. `painter.wait()` blocks until `painter.outcome` answers it.
    `painter.load(source)` changes the picture. `painter.observe(fn, names=["hidden"])` calls `fn` for each new mask.
    """

    rows = t.Int().tag(sync=True)
    cols = t.Int().tag(sync=True)
    height = t.Int().tag(sync=True)
    width = t.Int().tag(sync=True)
    title = t.Unicode("Paint a mask").tag(sync=True)

    hidden = t.Bytes().tag(sync=True, from_json=lambda data, painter: painter._read(data))
    """One byte per patch, row by row, 1 = hidden."""
    stroke = t.Int().tag(sync=True)
    """Counts the changes made in the browser."""
    dragging = t.Bool().tag(sync=True)

    original = t.Bytes().tag(sync=True)
    """PNG of the picture as the model sees it."""
    picture = t.Bytes().tag(sync=True)
    """The whole reconstruction: RGB bytes where it is small, else JPEG while dragging, PNG when exact; empty = none."""
    error = t.Bytes().tag(sync=True)
    """float32, little-endian, one per patch: root mean square error in RGB 0..1; empty = none."""
    report = t.Dict().tag(sync=True)
    """A `Report` about `picture`; empty before the first."""
    problem = t.Dict().tag(sync=True)
    """A `Problem`: why there is no picture; empty when there is one."""

    strategies = t.List(t.Unicode(), list(STRATEGIES)).tag(sync=True)
    strategy = t.Enum(list(STRATEGIES), "random").tag(sync=True)
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

    outcome: Outcome | None = None
    """The exact Outcome of the newest answered mask; None before the first and while there is a `problem`."""

    def __init__(
        self,
        picture: Any,
        mim: MaskedModel | str | None = None,
        *,
        mask: Mask | None = None,
        strategy: str = "random",
        ratio: float = 0.75,
        seed: int = 0,
        **options: Any,
    ):
        self._mim = _model(mim)
        self._grid: Grid = self._mim.grid
        self._picture: Picture | None = _fitted(picture, self._grid)
        self._recent: dict = {}
        self._untold = False  # other browsers have not seen the drag
        self._asked: tuple | None = None
        self._refusal: Problem | dict = {}  # said until the next change of mask or picture
        if mask is None:
            mask = _drawn(self._picture, self._grid, strategy=strategy, ratio=ratio, seed=seed)
        super().__init__(
            **{name: getattr(self._grid, name) for name in ("rows", "cols", "height", "width")},
            **{"strategy": strategy, "ratio": ratio, "seed": seed},
            hidden=self._bytes(mask),
            original=self._picture.to_png(),
            normalized=bool(self._mim.normalized),
            **options,
        )
        self._ask()

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
        picture = _fitted(source, self._grid)
        with self.together():
            self._picture, self.original = picture, picture.to_png()
            self.picture = self.error = b""
            self.refresh()

    def refresh(self) -> None:
        """Ask once more with the same mask: for a model whose weights have changed."""
        with self._lock:
            self._recent, self._asked = {}, None
            self._ask()

    def close(self) -> None:
        """Stop, leave the page and let go of model, picture and outcome; the mask stays readable."""
        super().close()
        self._mim = self._picture = self.outcome = self._asked = None
        self._recent = {}

    def __repr__(self) -> str:
        return f"MaskPainter({self.rows} x {self.cols} patches, {sum(self.hidden)} hidden)"

    # --- asking ---

    @t.observe("hidden", "stroke", "dragging", "statistics")
    def _changed(self, change: Any) -> None:
        self._ask()

    def _ask(self) -> None:
        if self._picture is None or self.comm is None:
            return  # closed, or not yet complete
        exact = not self.dragging
        question = Question(
            self._mim, self._picture, self.hidden, self.statistics, self.stroke, exact=exact, recent=self._recent
        )
        if question.key != self._asked:  # a message changes several traits at once, but asks one question
            if self._asked is None or self._asked[0] != question.hidden:
                self._refusal = {}
            self._asked = question.key
            self.engine.ask(question)

    @t.observe("draw")
    def _draw(self, change: Any) -> None:
        if self._picture is None:
            return
        try:
            self.mask = _drawn(self._picture, self._grid, strategy=self.strategy, ratio=self.ratio, seed=self.seed)
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

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        question, shown = answer.job, answer.value
        if question.recent is not self._recent:
            return  # about a picture that was replaced meanwhile
        if not question.exact and not self.dragging and not answer.error:
            return  # the hand has let go: the exact answer is next, and drawing this one would only delay it
        self.picture, self.error = (shown.picture, shown.error) if shown else (b"", b"")
        if question.exact or not shown:
            self.outcome = shown.outcome if shown else None
        hint = "Your mask is kept: paint on to try again."
        self.problem = problem("The model failed on this mask", answer.error, hint) if answer.error else self._refusal
        self.report = question.report(shown, events=self.engine.events, runs=self.engine.runs)
        if question.exact and self._untold:
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

    def _bytes(self, mask: Any) -> bytes:
        mask = self._grid.check(mask if isinstance(mask, Mask) else Mask.from_array(mask))
        if len(mask) != 1:
            raise ValueError(f"mask is for {len(mask)} pictures, but a painter shows one: take one, e.g. mask[0]")
        return mask.array.astype(np.uint8).tobytes()


def _model(mim: Any) -> MaskedModel:
    if mim is None or isinstance(mim, str):
        from ..zoo import load_mim

        return load_mim(mim or "tiny")
    if not hasattr(mim, "reconstruct"):
        has = type(mim).__name__
        raise TypeError(f"mim is {has}, but a MaskedModel or a name for load_mim is wanted: MaskPainter(picture, mim)")
    return mim


def _fitted(source: Any, grid: Grid) -> Picture:
    return image(source, size=(grid.height, grid.width))


def _drawn(picture: Picture, grid: Grid, *, strategy: str, ratio: float, seed: int) -> Mask:
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is {strategy!r}, but there are {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy](ratio)(picture.tensor(), grid, seeded(seed))
