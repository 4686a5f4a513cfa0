"""Outlier tokens, registers and defects of a ViT: where norms part, who looks where, and what registers or a repair change."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from ..data import image
from ..discover import NormModes, Repair
from ..vit import Neuron, anatomy
from .engine import Answer
from .given import many, name_of, vit_of
from .live import LiveWidget
from .reconstruction import problem
from .register_bench import CLS, OUTLIERS
from .register_question import Lab, Question, Wish

TREATMENTS = ("none", "other", "registers", "repair")


class RegisterInspector(LiveWidget, bundle="register_inspector"):
    """The norms of a ViT's tokens on a picture, its outliers, and what takes them away.

    Parameters
    ----------
    model : a timm ViT with plain tokens, or a name for `load_vit`; or a list of two of one build, such as before and after tuning.
    picture : anything `mimviz.image` takes; fitted to the model's size.
    layer : the block on display, from 0, or negative from the end.
    token : what cosines and attention are about: "CLS", "reg 1", "outliers", or a patch as (row, column) from 0.
    treatment : "none", "other" (the second model, where there is one), "registers" (test-time registers) or "repair" (SINDER). Both
        treat the first.
    neurons, count : how many register neurons are moved, and to how many extra registers.
    repair : a `mimviz.discover.Repair`, where its defaults do not fit.
    title : a caption.

    `inspector.outliers(layer)` says what was found, `inspector.thresholds = {layer: norm}` cuts by hand; `inspector.neurons_found`
    are the neurons that were moved, `inspector.repaired` is the mended copy. `inspector.wait()` blocks until all is there.
    """

    title = t.Unicode("Registers and outliers").tag(sync=True)
    name = t.Unicode().tag(sync=True)
    """What the model is called."""
    other = t.Unicode().tag(sync=True)
    """What the second one is called; empty where there is none."""
    height = t.Int().tag(sync=True)
    width = t.Int().tag(sync=True)
    rows = t.Int().tag(sync=True)
    cols = t.Int().tag(sync=True)
    depth = t.Int().tag(sync=True)
    """Number of blocks."""
    tokens = t.List(t.Unicode()).tag(sync=True)
    """Names that `token` takes beside the numbers of patches."""
    prefix = t.Int().tag(sync=True)
    original = t.Bytes().tag(sync=True)
    """PNG of the picture as the model sees it."""

    layer = t.Int(-1).tag(sync=True)
    token = t.Unicode(CLS).tag(sync=True)
    """A name, or the number of a patch, row by row."""
    thresholds = t.Dict().tag(sync=True)
    """{layer: norm} as a person has put them; JSON makes the keys text."""
    treatment = t.Enum(list(TREATMENTS), "none").tag(sync=True)
    neurons = t.Int(10, min=1).tag(sync=True)
    count = t.Int(1, min=1, max=8).tag(sync=True)
    defects = t.Bool(False).tag(sync=True)
    """Whether the maps of |cos| to the defect directions are wanted."""
    repairing = t.Bool(False).tag(sync=True)
    """True starts the repair loop or goes on with it, False stops it."""

    norms = t.Bytes().tag(sync=True)
    """float32 (depth, prefix + rows · cols), little-endian, as all numbers here."""
    modes = t.Dict().tag(sync=True)
    """{"list": [{threshold or null, confidence, why, ratio}]} for each layer."""
    about = t.Bytes().tag(sync=True)
    """(3, depth, rows · cols): cosine to the token, attention from it, attention to it; NaN where there is none."""
    about_info = t.Dict().tag(sync=True)
    features = t.Bytes().tag(sync=True)
    """RGB, one pixel a patch, of `features_info["layer"]`; a second picture of the treated model behind it."""
    features_info = t.Dict().tag(sync=True)
    channels = t.Dict().tag(sync=True)
    box = t.List(t.Int(), []).tag(sync=True)
    """Of the object that LOST finds: left, top, right, bottom in pixels."""
    cosines = t.Bytes().tag(sync=True)
    """(depth, rows · cols): |cos| to each block's defect direction."""
    after = t.Bytes().tag(sync=True)
    """The norms of the treated model, with its own prefix."""
    after_info = t.Dict().tag(sync=True)
    """{kind, modes, box, names, …}, or {kind, why} where there was nothing to treat."""
    after_about = t.Bytes().tag(sync=True)
    after_about_info = t.Dict().tag(sync=True)
    curve = t.Dict().tag(sync=True)
    """{loss, ratio, cosine, of, running} of the repair, an entry for each step."""
    report = t.Dict().tag(sync=True)
    problem = t.Dict().tag(sync=True)

    def __init__(
        self, model: Any = None, picture: Any = "cat", *, layer: int = -1, token: str | tuple[int, int] | None = None,
        repair: Repair | None = None, **options: Any,
    ):  # fmt: skip
        vits = [_plain(vit_of(each)) for each in many(model)]
        vit, parts = vits[0], anatomy(vits[0])
        if len(vits) > 1:
            _check_alike(vits)
            options = {"treatment": "other", "other": name_of(vits[1], 1), **options}
        shown = image(picture, size=parts.size)
        self._lab: Lab | None = Lab(vit, shown, other=vits[1] if len(vits) > 1 else None)
        self._repair = repair or Repair()
        self._asked: Wish | None = None
        names = [CLS, "DIST"][: parts.class_tokens] + [f"reg {i + 1}" for i in range(parts.registers)]
        if not -len(parts.blocks) <= layer < len(parts.blocks):
            raise IndexError(f"layer is {layer}, but there are {len(parts.blocks)}: 0..{len(parts.blocks) - 1}, or -1 for the last")
        super().__init__(
            name=name_of(vit, 0), height=shown.height, width=shown.width, rows=parts.grid.rows, cols=parts.grid.cols,
            depth=len(parts.blocks), tokens=[*names, OUTLIERS], prefix=parts.prefix, original=shown.to_png(),
            layer=layer % len(parts.blocks), token=_named(token, names, parts.grid), **options,
        )  # fmt: skip
        self._ask()

    def outliers(self, layer: int | None = None) -> NormModes:
        """What parts the norms of a block, the one on display unless told; waits for the answer."""
        self.wait()
        layer = self.layer if layer is None else range(self.depth)[layer]
        return self._bench("before").found(layer, self._by_hand.get(layer))

    @property
    def neurons_found(self) -> tuple[Neuron, ...]:
        """The register neurons that were moved; none where nothing was treated."""
        return self._lab.neurons if self._lab else ()

    @property
    def repaired(self) -> Any:
        """The mended copy as it is after the last step; None before the first."""
        return self._lab.steps[-1].model if self._lab and self._lab.steps else None

    def close(self) -> None:
        """Stop, leave the page and let go of models and picture."""
        super().close()
        self._lab = self._asked = None

    def __repr__(self) -> str:
        return f"RegisterInspector({self.name}, layer {self.layer + 1} of {self.depth}, {self.treatment})"

    # --- asking ---

    @property
    def _by_hand(self) -> dict[int, float]:
        return {int(layer): float(norm) for layer, norm in self.thresholds.items()}

    def _bench(self, which: str) -> Any:
        bench = getattr(self._lab, which, None)
        if bench is None:
            raise RuntimeError(f"{self!r} has nothing to say: {self.problem.get('text') or 'it was closed'}")
        return bench

    @t.observe("layer", "token", "thresholds", "treatment", "neurons", "count", "defects", "repairing")
    def _changed(self, change: Any) -> None:
        if self.comm is None or self._lab is None:
            return
        if self.repairing and self.treatment != "repair":
            self.repairing = False  # asks by itself
        else:
            self._ask()

    def _ask(self) -> None:
        wish = Wish(
            self.layer, self.token, tuple(sorted(self._by_hand.items())), self.defects, self.treatment, self.neurons, self.count,
            self.repairing, self._repair,
        )  # fmt: skip
        if wish != self._asked and self._lab is not None:
            self._asked = wish
            self.engine.ask(Question(self._lab, wish))

    @t.validate("layer")
    def _known_layer(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < self.depth:
            raise t.TraitError(f"layer is {proposal['value']}, but there are {self.depth}, numbered from 0")
        return proposal["value"]

    @t.validate("treatment")
    def _known_treatment(self, proposal: Any) -> str:
        if proposal["value"] == "other" and (self._lab is None or self._lab.other is None):
            raise t.TraitError("treatment is 'other', but there is one model only: RegisterInspector([before, after], picture)")
        return proposal["value"]

    @t.validate("token")
    def _known_token(self, proposal: Any) -> str:
        token = proposal["value"]
        if token in self.tokens or (token.isdigit() and int(token) < self.rows * self.cols):
            return token
        raise t.TraitError(f"token is {token!r}, but there are {', '.join(self.tokens)} and patches 0..{self.rows * self.cols - 1}")

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        if answer.error is not None:
            self.problem = problem("This could not be computed", answer.error, "What was there before is still here.")
            if self.repairing:
                self.repairing = False
            return
        for name, value in (answer.value or {}).items():
            setattr(self, name, value)
        if answer.final:
            self.problem = {}


def _plain(model: Any) -> Any:
    """The ViT in a model; TypeError for one whose tokens do not stay what they are."""
    vit = getattr(getattr(model, "encoder", model), "vit", model)
    parts = anatomy(vit)
    if len(parts.stages) > 1 or parts.reach != "global":
        raise TypeError(
            f"model is {parts.family}, which has windows, stages or convolutions, but outliers are looked for among tokens "
            "that stay the same from the first block to the last: take a plain ViT, such as DeiT, DINOv2 or CLIP"
        )
    return vit


def _check_alike(vits: list) -> None:
    if len(vits) > 2:
        raise ValueError(f"there are {len(vits)} models, but one or two are wanted, such as before and after tuning")
    builds = [(len(a.blocks), a.width, *a.grid.shape) for a in map(anatomy, vits)]
    if builds[0] != builds[1]:
        first, second = (f"{depth} blocks of {width} channels, {rows} x {cols} patches" for depth, width, rows, cols in builds)
        raise ValueError(f"the models have {first} and {second}, but two of one build are wanted, to be set layer by layer")


def _named(token: str | tuple[int, int] | None, names: list[str], grid: Any) -> str:
    """A token as the browser writes it."""
    if token is None:
        return names[0] if names else OUTLIERS
    if isinstance(token, str):
        return token
    row, col = (int(each) for each in np.asarray(token).ravel())
    if not (0 <= row < grid.rows and 0 <= col < grid.cols):
        raise IndexError(f"token is patch {(row, col)}, but the grid has {grid.rows} x {grid.cols}, from 0")
    return str(row * grid.cols + col)
