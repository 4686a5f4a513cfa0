"""Look where the heads of a ViT look: all layers at a glance, one layer under the pointer, heads and tokens knocked out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..core import Mask, Picture
from .attention_data import as_file, drawn, numbers
from .attention_question import Look, Told
from .attention_side import Edits, Head, Side, sides_of
from .attention_stack import said
from .engine import Answer
from .live import LiveWidget
from .reconstruction import RAW_LIMIT, problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure


class AttentionExplorer(LiveWidget, bundle="attention_explorer"):
    """Attention of every layer and head of one model, or of two under one hover.

    Parameters
    ----------
    model : a timm ViT, a MaskedModel, a name for `load_vit` or `load_mim`; or a list of two of these.
    picture : anything `mimviz.image` takes; fitted to the first model's size.
    compare : a second model, instead of a list.
    mask : for masked models, the Mask under which they see the picture; without one they see all of it.
    part : "encoder", or "decoder" of a masked model.
    layer : the open layer, from 0, or negative from the end. An attention pooling (SigLIP) is the encoder's last one, and the rows
        there are those of its learnt query, whichever token is asked for.
    query : the token that looks: "CLS", "reg 1", a patch as (row, column) from 0, or its name "3,5".
    title : a caption.

    `explorer.look(query, layer=…)` moves it; `explorer.knock_out(heads=[(layer, head)], tokens=["CLS", (3, 5)])` and
    `explorer.restore()` edit the model for this view alone. `explorer.data()` holds exact numbers, `explorer.figure()` draws them,
    `explorer.save("attention.npz")` writes either (.npz .json .svg .pdf .png).

    Attention is recomputed from q and k of the very pass. While the pointer moves, the browser shows rows of a layer that came as
    one byte for each patch, off by at most 0.4 % of the row's range; the row of the query that is kept is unrounded.
    Layers of more than 2 MiB come row by row. In Python at most three passes are kept (untouched, the newest edit, the one before);
    whole maps are made for layers that are sent or edited; of a masked model they are kept, up to 256 MiB a pass.
    """

    title = t.Unicode("Attention").tag(sync=True)
    height = t.Int().tag(sync=True)
    width = t.Int().tag(sync=True)
    original = t.Bytes().tag(sync=True)
    """PNG or JPEG of the picture as the first model sees it."""
    hidden = t.Bytes().tag(sync=True)
    """One byte per patch of the first model, 1 = hidden; empty without a mask."""
    sides = t.List(t.Dict()).tag(sync=True)
    """Models, their parts and the shapes of their layers; empty before the first pass."""

    part = t.Unicode("encoder").tag(sync=True)
    layer = t.Int(-1).tag(sync=True)
    query = t.Unicode().tag(sync=True)
    edits = t.Dict().tag(sync=True)
    """{"heads": [[model, part, layer, head], …], "tokens": [name, …]} that are knocked out."""
    version = t.Int().tag(sync=True)
    """Counts the changes of `edits`; answers say which they belong to."""
    request = t.Dict().tag(sync=True)
    """Of the browser: {"serial", "layers": whole layers it wants, "row": a token whose row it wants}."""

    overview = t.Bytes().tag(sync=True)
    """The query's row in all layers, see `attention_bytes.encode`."""
    overview_info = t.Dict().tag(sync=True)
    exact = t.Bytes().tag(sync=True)
    """The query's row in the open layer, float32 (heads, tokens), little-endian, for each model."""
    exact_info = t.Dict().tag(sync=True)
    sheet = t.Bytes().tag(sync=True)
    """A whole layer, or one row of a layer that is too large."""
    sheet_info = t.Dict().tag(sync=True)
    statistics = t.Bytes().tag(sync=True)
    statistics_info = t.Dict().tag(sync=True)
    report = t.Dict().tag(sync=True)
    problem = t.Dict().tag(sync=True)

    def __init__(
        self,
        model: Any,
        picture: Any,
        *,
        compare: Any = None,
        mask: Mask | None = None,
        part: str = "encoder",
        layer: int = -1,
        query: str | tuple[int, int] | None = None,
        **options: Any,
    ):
        self._sides: tuple[Side, ...] = sides_of(model, picture, compare=compare, mask=mask)
        self._told = Told()
        first = self._sides[0]
        if part not in self._parts:
            raise ValueError(f"part is {part!r}, but {first.name} has {' and '.join(self._parts)}")
        super().__init__(
            height=first.picture.height,
            width=first.picture.width,
            original=_encoded(first.picture),
            hidden=b"" if mask is None else mask.array.astype(np.uint8).tobytes(),
            part=part,
            layer=self._layer(layer, part),
            query=first.named(query),
            **options,
        )
        self.on_msg(_message)
        self._ask()

    def look(
        self, query: str | tuple[int, int] | None = None, *, layer: int | None = None, part: str | None = None
    ) -> None:
        """Move to another token, layer or part; raises ValueError for one that the first model does not have."""
        part = self.part if part is None else part
        if part not in self._parts:
            raise ValueError(f"part is {part!r}, but there is {' and '.join(self._parts)}")
        layer = self._layer(self.layer if layer is None else layer, part)
        token = self.query if query is None else self._sides[0].named(query)
        with self.together():
            self.part, self.layer, self.query = part, layer, token

    def knock_out(
        self,
        *,
        heads: Iterable[tuple[int, int]] = (),
        tokens: Iterable[str | tuple[int, int]] = (),
        model: int = 0,
        part: str = "encoder",
    ) -> None:
        """Also knock out `heads`, (layer, head) of one model's part, and `tokens` of all models, in encoders and decoders alike.

        Raises ValueError for what is not there.
        """
        now = self._edits
        if part not in self._sides[model].parts:
            raise ValueError(
                f"part is {part!r}, but {self._sides[model].name} has {' and '.join(self._sides[model].parts)}"
            )
        more = [self._head(model, part, *each) for each in heads]
        names = [self._sides[0].named(each) for each in tokens]
        both = {
            "heads": [list(each) for each in dict.fromkeys([*now.heads, *more])],
            "tokens": list(dict.fromkeys([*now.tokens, *names])),
        }
        self.edits = both

    def restore(self) -> None:
        """Undo all knock-outs."""
        self.edits = {}

    def data(self) -> dict[str, Any]:
        """Exact numbers of what is on display: {"part", "layer", "query", "edits", "models": [{"name", "attention" (heads, tokens),
        "tokens" (names of those before the patches), "rows", "cols", "classes", "certificate"}]}."""
        return numbers(self._look())

    def figure(self) -> Figure:
        """The query's row in every head of the open layer, of every model, as a matplotlib figure with the real ranges."""
        return drawn(self._look())

    def save(self, path: str | Path) -> None:
        """Write `data()` (.npz, .json) or `figure()` (.svg, .pdf, .png), as the path ends."""
        Path(path).write_bytes(as_file(self._look(), Path(path).suffix[1:].lower()))

    def refresh(self) -> None:
        """Look again: for a model whose weights have changed."""
        with self.together():
            for side in self._sides:
                side.forget()
            self.version += 1
            self._ask()

    def close(self) -> None:
        """Stop, leave the page and let go of models and picture."""
        super().close()
        self._sides, self._told = (), Told()

    def __repr__(self) -> str:
        names = " and ".join(side.name for side in self._sides) or "closed"
        return f"AttentionExplorer({names}, layer {self.layer + 1}, from {said(self.query)})"

    # --- asking ---

    @t.observe("edits")
    def _edited(self, change: Any) -> None:
        if self.comm is not None:
            self.version += 1
            self._ask()

    @t.observe("part", "layer", "query")
    def _moved(self, change: Any) -> None:
        self._ask()

    @t.observe("request")
    def _requested(self, change: Any) -> None:
        part = self.request.get("part", self.part)
        wanted = [(part, layer) for layer in self.request.get("layers", ())]
        self._told.layers += [each for each in wanted if each not in self._told.layers]
        self._told.row = self.request.get("row", "")
        self._ask()

    def _ask(self) -> None:
        if self._sides and self.comm is not None and not self.engine.closed:
            self.engine.ask(self._look())

    def _look(self) -> Look:
        if not self._sides:
            raise RuntimeError("this explorer is closed and has let go of its model: make a new one")
        depth = max(side.depth(self.part) for side in self._open)
        layer = min(self.layer, depth - 1) % depth
        return Look(self._open, self.part, layer, self.query, self._edits, self.version, self._told)

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        look, told = answer.job, self._told
        if look.told is not told:
            return
        if answer.error:
            told.layers.clear()
            told.row = ""
            self.problem = problem(
                "The attention could not be read", answer.error, "Undo the last change, or look at another layer."
            )
            return
        traits = answer.value
        told.note(traits)
        for name, value in traits.items():
            setattr(self, name, value)
        if self.problem:
            self.problem = {}

    # --- inside ---

    @property
    def _parts(self) -> tuple[str, ...]:
        return tuple(part for part in self._sides[0].parts if all(part in side.parts for side in self._sides))

    @property
    def _open(self) -> tuple[Side, ...]:
        return tuple(side for side in self._sides if self.part in side.parts)

    @property
    def _edits(self) -> Edits:
        heads = tuple(Head(*each) for each in self.edits.get("heads", ()))
        return Edits(heads, tuple(self.edits.get("tokens", ())))

    @t.validate("edits")
    def _known_edits(self, proposal: Any) -> dict:
        for side, part, layer, head in proposal["value"].get("heads", ()):
            if not 0 <= side < len(self._sides) or part not in self._sides[side].parts:
                raise t.TraitError(f"head {head} of layer {layer} is of the {part} of model {side}, which there is not")
            self._head(side, part, layer, head)
        return proposal["value"]

    @t.validate("layer", "query")
    def _known_place(self, proposal: Any) -> Any:
        """A browser may be a moment behind, so a layer need only be one of any part."""
        value = proposal["value"]
        try:
            if proposal["trait"].name == "query":
                return self._sides[0].named(value) if self._sides else value
            depth = max((side.depth(part) for side in self._sides for part in side.parts), default=value + 1)
            return value if -depth <= value < depth else self._layer(value, self.part)
        except ValueError as error:
            raise t.TraitError(str(error)) from error

    def _head(self, side: int, part: str, layer: int, head: int) -> Head:
        layer = self._layer(layer, part, side)
        heads = self._sides[side].heads_of(part)[layer]
        if not 0 <= head < heads:
            raise ValueError(f"head is {head}, but layer {layer} has {heads}, numbered from 0")
        return Head(side, part, layer, head)

    def _layer(self, layer: int, part: str, side: int | None = None) -> int:
        depth = max(each.depth(part) for each in (self._sides if side is None else [self._sides[side]]))
        if not -depth <= layer < depth:
            raise ValueError(f"layer is {layer}, but there are {depth}: 0..{depth - 1}, or -1 for the last")
        return layer % depth


def _message(explorer: AttentionExplorer, content: Any, buffers: Any) -> None:
    """The browser asks for a file: it is sent back to the view that asked."""
    if content.get("kind") != "save":
        return
    try:
        data = as_file(explorer._look(), content["format"])
    except Exception as error:
        explorer.problem = dict(problem("The file could not be made", error, "What is on the screen is as it was."))
    else:
        explorer.send({"kind": "file", "view": content.get("view"), "name": f"attention.{content['format']}"}, [data])


def _encoded(picture: Picture) -> bytes:
    """Pictures that a person only looks at: PNG where they are small, else JPEG."""
    return picture.to_png() if picture.height * picture.width * 3 <= RAW_LIMIT else picture.to_jpeg(quality=92)
