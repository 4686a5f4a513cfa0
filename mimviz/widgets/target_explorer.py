"""What targets mean: which patches each of them calls alike, and what it sees of edges, colour and parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import traitlets as t

from ..data import image
from ..grammar.seeing import Sees
from ..grammar.target_space import Neighbour, TargetSpace
from ..vit import Encoder
from ..zoo import load_encoder
from .engine import Answer
from .given import many
from .live import LiveWidget
from .painted import fitted
from .reconstruction import problem
from .target_explorer_question import Asked, Met, Question, Shelf
from .target_explorer_targets import TARGETS, named

PICTURES = ("cat", "astronaut", "coffee", "rocket", "coins", "retina")


class TargetExplorer(LiveWidget, bundle="target_explorer"):
    """Targets side by side on the same pictures: click a patch, and see what each target calls alike.

    Parameters
    ----------
    pictures : a picture or a list of them, anything `mimviz.image` takes; fitted to the encoder's grid.
    targets : names of the menu `mimviz.widgets.target_explorer_targets.TARGETS`, names of recipes (their target is taken),
        masked models, target words, or a dict {name: one of these}.
    encoder : an `Encoder` whose grid and normalization all targets share, or a name; the bundled "tiny" unless told. Targets with a
        teacher of their own look with theirs.
    regions : (pictures, height, width) whole numbers, the parts that "parts" asks for; unless given, regions of like colour.
    query : (picture, patch), both from 0; the middle of the first picture unless told.
    title : a caption.

    `explorer.wait()` blocks until all is there. `explorer.spaces` {name: TargetSpace}, `explorer.sees` {name: Sees},
    `explorer.nearest(name)` the neighbours of the patch asked about; `explorer.plot()` and `explorer.plot_sees()` draw without
    a browser. A target that fails says why in its column; the others go on.
    """

    title = t.Unicode("Target explorer").tag(sync=True)
    rows = t.Int().tag(sync=True)
    cols = t.Int().tag(sync=True)
    height = t.Int().tag(sync=True)
    width = t.Int().tag(sync=True)
    names = t.List(t.Unicode()).tag(sync=True)
    """Of the targets, in order."""
    captions = t.List(t.Unicode()).tag(sync=True)
    """Of the pictures."""
    originals = t.Bytes().tag(sync=True)
    """PNGs of the pictures, one after another; `sizes` says how long each is."""
    sizes = t.List(t.Int()).tag(sync=True)
    query = t.List(t.Int()).tag(sync=True)
    """[picture, patch] that is asked about."""
    shown = t.Int(-1).tag(sync=True)
    """The picture whose map is on display; −1: the one that is asked about."""
    panels = t.List(t.Dict()).tag(sync=True)
    """As in RecipeLab; `place` is the target's number. "drawn": the target; "alike": cosine of each patch to the one asked."""
    pixels = t.Bytes().tag(sync=True)
    near = t.List(t.Dict()).tag(sync=True)
    """For each target: {near: [[picture, patch, cosine]], tied, problem}; `tied`: how many patches are as alike as the first."""
    readout = t.Dict().tag(sync=True)
    """{target: {edges, directions, colour, parts}}; null where it cannot be measured."""
    report = t.Dict().tag(sync=True)
    """{query, ms, device, done, of}: what the panels belong to, and how far the read-out is."""
    problem = t.Dict().tag(sync=True)

    def __init__(
        self,
        pictures: Any = PICTURES,
        targets: Any = TARGETS,
        *,
        encoder: Encoder | str = "tiny",
        regions: Any = None,
        query: tuple[int, int] | None = None,
        **options: Any,
    ):
        given = load_encoder(encoder) if isinstance(encoder, str) else encoder
        if not isinstance(given, Encoder):
            raise TypeError(
                f"encoder is {type(given).__name__}, but an Encoder is wanted (mimviz.encoder(...)) or a name"
            )
        grid = given.grid
        opened = [fitted(image(each), grid) for each in many(pictures)]
        if not opened:
            raise ValueError("no picture is given, but at least one is wanted")
        regions = None if regions is None else np.asarray(regions)
        if regions is not None and regions.shape != (len(opened), grid.height, grid.width):
            raise ValueError(f"regions are {regions.shape}, but {(len(opened), grid.height, grid.width)} is wanted")
        self._shelf: Shelf | None = Shelf(given, opened, named(targets), regions)
        pngs = [each.to_png() for each in opened]
        middle = (grid.rows // 2) * grid.cols + grid.cols // 2
        super().__init__(
            **{name: getattr(grid, name) for name in ("rows", "cols", "height", "width")},
            names=list(self._shelf.makers), captions=_captions(many(pictures)), originals=b"".join(pngs),
            sizes=[len(each) for each in pngs], query=list(query or (0, middle)), **options,
        )  # fmt: skip
        self._ask()

    # --- for scripts ---

    @property
    def spaces(self) -> dict[str, TargetSpace]:
        """Of the targets that could be asked; waits for them."""
        self.wait()
        return dict(self._open.spaces)

    @property
    def sees(self) -> dict[str, Sees]:
        """What each target sees; waits for it."""
        self.wait()
        return dict(self._open.sees)

    def nearest(self, target: str, *, count: int = 8) -> list[Neighbour]:
        """The patches that a target calls most alike to the one asked about. KeyError for a target that there is not."""
        return self.spaces[target].nearest(*self.query, count=count)

    def plot(self):
        """The targets below each other as a matplotlib figure, see `mimviz.plot.show_target_spaces`."""
        from ..plot import show_target_spaces

        return show_target_spaces(list(self.spaces.values()), *self.query)

    def plot_sees(self):
        """Bars of what each target sees, see `mimviz.plot.show_sees`."""
        from ..plot import show_sees

        return show_sees(self.sees)

    def close(self) -> None:
        """Stop, leave the page and let go of teachers and pictures."""
        super().close()
        self._shelf = None

    def __repr__(self) -> str:
        return f"TargetExplorer({', '.join(self.names)}; {len(self.captions)} pictures)"

    # --- asking ---

    @property
    def _open(self) -> Shelf:
        if self._shelf is None:
            raise RuntimeError("this explorer is closed: make a new one")
        return self._shelf

    @t.validate("query")
    def _there(self, proposal: Any) -> list[int]:
        value = list(proposal["value"])
        pictures, patches = len(self.sizes or self._open.pictures), self._open.encoder.grid.count
        if len(value) != 2 or not (0 <= value[0] < pictures and 0 <= value[1] < patches):
            raise t.TraitError(
                f"query is {value}, but [picture, patch] is wanted, below {pictures} and {patches}, both from 0"
            )
        return value

    @t.validate("shown")
    def _showable(self, proposal: Any) -> int:
        if not -1 <= proposal["value"] < len(self._open.pictures):
            raise t.TraitError(
                f"shown is {proposal['value']}, but there are pictures 0..{len(self._open.pictures) - 1}, or −1"
            )
        return proposal["value"]

    @t.observe("query", "shown")
    def _changed(self, change: Any) -> None:
        if self.comm is not None and self._shelf is not None:
            self._ask()

    def _ask(self) -> None:
        if not self.engine.closed:
            picture, patch = self.query
            self.engine.ask(Question(self._open, (picture, patch), self.shown))

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        if answer.error:
            self.problem = problem(
                "The targets could not be asked", answer.error, "Choose another patch, or run the cell again."
            )
        elif isinstance(answer.value, Asked):
            self.pixels, self.panels, self.near = answer.value.pixels, answer.value.panels, answer.value.near
            self.problem = {}
            self._report(answer.value.query, answer.ms)
        elif isinstance(answer.value, Met):
            self.readout = {
                name: {field: _finite(value) for field, value in vars(each).items()}
                for name, each in answer.value.sees.items()
            }
            self._report(self.report.get("query", []), self.report.get("ms", 0.0))

    def _report(self, query: Any, ms: float) -> None:
        shelf = self._open
        self.report = {
            "query": list(query), "ms": ms, "device": str(next(shelf.encoder.parameters(), torch.empty(0)).device),
            "done": len(shelf.sees) + len(shelf.problems), "of": len(shelf.makers),
        }  # fmt: skip


def _captions(pictures: list[Any]) -> list[str]:
    return [each if isinstance(each, str) and len(each) < 25 else f"picture {i + 1}" for i, each in enumerate(pictures)]


def _finite(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
