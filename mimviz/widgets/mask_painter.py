"""Paint a mask over a picture; the model's reconstruction follows the hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets as t

from ..core import Grid, Mask, Outcome, Picture
from ..data import image
from .engine import Answer
from .painted import Painted, drawn_mask, fitted
from .reconstruction import Question, problem

if TYPE_CHECKING:
    from ..grammar import MaskedModel


class MaskPainter(Painted, bundle="mask_painter"):
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
    `painter.source` is the picture before it was fitted.
    `painter.load(source)` changes the picture. `painter.observe(fn, names=["hidden"])` calls `fn` for each new mask.
    """

    picture = t.Bytes().tag(sync=True)
    """The whole reconstruction: RGB bytes where it is small, else JPEG while dragging, PNG when exact; empty = none."""
    error = t.Bytes().tag(sync=True)
    """float32, little-endian, one per patch: root mean square error in RGB 0..1; empty = none."""

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
        self.source: Picture | None = image(picture)
        self._picture: Picture | None = fitted(self.source, self._grid)
        self._recent: dict = {}
        self._asked: tuple | None = None
        if mask is None:
            mask = drawn_mask(self._picture, self._grid, strategy=strategy, ratio=ratio, seed=seed)
        super().__init__(
            **{name: getattr(self._grid, name) for name in ("rows", "cols", "height", "width")},
            **{"strategy": strategy, "ratio": ratio, "seed": seed},
            hidden=self._bytes(mask),
            original=self._picture.to_png(),
            normalized=bool(self._mim.normalized),
            **options,
        )
        self._ask()

    def load(self, source: Any) -> None:
        """Take another picture and keep the mask; raises what `mimviz.image` raises, and then nothing has changed."""
        opened = image(source)
        picture = fitted(opened, self._grid)
        with self.together():
            self.source, self._picture, self.original = opened, picture, picture.to_png()
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
        self._mim = self.source = self._picture = self.outcome = self._asked = None
        self._recent = {}

    def __repr__(self) -> str:
        return f"MaskPainter({self.rows} x {self.cols} patches, {sum(self.hidden)} hidden)"

    # --- asking ---

    def _ask(self) -> None:
        if self._picture is None or self.comm is None:
            return  # closed, or not yet complete
        exact = not self.dragging
        question = Question(
            self._mim, self._picture, self.hidden, self.statistics, self.stroke, exact=exact, recent=self._recent
        )
        if question.key != self._asked:  # a message changes several traits at once, but asks one question
            if self._asked is None or self._asked[0] != question.hidden:
                self._refusal = None
            self._asked = question.key
            self.engine.ask(question)

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
        self.problem = (
            problem("The model failed on this mask", answer.error, hint) if answer.error else self._refusal or {}
        )
        self.report = question.report(shown, events=self.engine.events, runs=self.engine.runs)
        self._tell_drag(question.exact)


def _model(mim: Any) -> MaskedModel:
    if mim is None or isinstance(mim, str):
        from ..zoo import load_mim

        return load_mim(mim or "tiny")
    if not hasattr(mim, "reconstruct"):
        has = type(mim).__name__
        raise TypeError(f"mim is {has}, but a MaskedModel or a name for load_mim is wanted: MaskPainter(picture, mim)")
    return mim
