"""One picture for each method, drawn with the bundled models while the site is built."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Callable, Sequence
from functools import cache, singledispatch
from typing import Any

import matplotlib
import numpy as np
import torch
from cards import Card
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

import mimviz as mv
from mimviz.core import Heatmap, Score
from mimviz.core.words import label
from mimviz.discover import Components, NormModes, Segment
from mimviz.judges import removal
from mimviz.lenses import CrispMask, Decompose, TextSpan
from mimviz.lenses.decompose import class_directions
from mimviz.vit import class_names
from mimviz.widgets.recipe_lab_views import Panel, panels

matplotlib.use("agg")
PICTURE, MODEL = "cat", "tiny-classifier"
# Methods that take many passes, with fewer than their defaults, so that a site is built in minutes; the picture says so.
QUICK: dict[str, dict[str, Any]] = {
    "RISE": {"samples": 200}, "WaveletX": {"steps": 15}, "ShearletX": {"steps": 10}, "LTX": {"steps": 10},
    "DiffMask": {"steps": 20}, "COMET": {"steps": 15}, "CrispMask": {"steps": 30}, "RegionalMultiScale": {"scales": (25, 50)},
    "XRAI": {"steps": 20}, "Flow": {"merge": 2}, "GuidedIG": {"steps": 20}, "BlurIG": {"steps": 20},
    "ROAR": {"steps": 40, "count": 128}, "Repair": {"steps": 8}, "RegisterNeurons": {"threshold": 70.0},
    "DoubleTrouble": {"removals": {"grey": removal.Fill("mean"), "blur": removal.Fill("blur")}, "steps": 8},
    "RemovalAttribution": {"removal": removal.Fill("mean")}, "VisualSummaries": {"mask": CrispMask(steps=15)},
}  # fmt: skip


def draw(card: Card) -> tuple[bytes, str]:
    """(PNG, what it cost in words)."""
    began = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        figure, note = _recipe(card) if card.shelf == "recipes" else _called(card)
    seconds = time.perf_counter() - began
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=80, bbox_inches="tight", facecolor="white")
    return png.getvalue(), f"{note}: {seconds:.2g} s when this page was built, on one core."


PLAIN = (
    "vit_tiny_patch16_224",
    {"img_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 3, "num_heads": 3, "positions": "sincos"},
)
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {  # of recipes that are not for plain ViTs
    "spark": ("resnet18", {"img_size": 64}),
    "itpn": ("hiera_tiny_224", {"img_size": 64, "stages": (1, 1, 2, 1)}),
}


# --- recipes ---


def _recipe(card: Card) -> tuple[Figure, str]:
    name, size = ENCODERS.get(card.name, PLAIN)
    model: Any = card.made(mv.encoder(name, **size))
    images = model.prepare(mv.image(PICTURE))
    with torch.no_grad():
        outcome = model.eval()(images)[0]  # a recipe of two views has made two
    shown = {panel.key: panel for panel in panels(model, images, outcome, exact=True)}
    keys = [key for key in ("score", "seen", "target") if key in shown]
    figure = Figure((2.4 * len(keys), 2.7))
    for axis, key in zip(np.atleast_1d(figure.subplots(1, len(keys))), keys, strict=True):
        panel = shown[key]
        axis.imshow(_array(panel), cmap="viridis", interpolation="nearest")
        axis.set_title(panel.caption, fontsize=9)
        axis.set_axis_off()
    count = sum(p.numel() for p in model.parameters()) / 1e6
    return figure, f"One step forward of an untrained model of {count:.1f} M parameters and its pictures"


def _array(panel: Panel) -> np.ndarray:
    if panel.map:
        return np.frombuffer(panel.data, "<f4").reshape(panel.height, panel.width)
    if len(panel.data) == panel.height * panel.width * 3:
        array = np.frombuffer(panel.data, np.uint8).reshape(panel.height, panel.width, 3)
    else:
        array = np.asarray(Image.open(io.BytesIO(panel.data)).convert("RGB"))
    if not panel.blank:
        return array
    blank = np.frombuffer(panel.blank, np.uint8).reshape(panel.rows, panel.cols).astype(bool)
    scale = (-(-array.shape[0] // panel.rows), -(-array.shape[1] // panel.cols))
    return np.where(np.kron(blank, np.ones(scale))[: array.shape[0], : array.shape[1], None] > 0, 225, array).astype(
        np.uint8
    )


# --- everything that is asked about a scene ---


@cache
def _model() -> nn.Module:
    return mv.load_vit(MODEL)


def _scene(pictures: Any = PICTURE, target: Any = None) -> mv.Scene:
    return mv.Scene(_model(), pictures, target=target)


def _called(card: Card) -> tuple[Figure, str]:
    word = card.made(**QUICK.get(card.name, {}))
    found = CALLS[card.name](word) if card.name in CALLS else _ask(card, word)
    return view(found, _scene()), f"`{label(word)}` on `{PICTURE}` with `{MODEL}`"


def _ask(card: Card, word: Any) -> Any:
    scene = _scene()
    return word(scene, mv.lenses.Chefer()(scene)) if card.shelf == "judges" else word(scene)


def _texts(word: TextSpan) -> Any:
    """The class names that say what the last layer's first head adds to each patch's part of the features."""
    scene = _scene(["cat", "coffee", "astronaut", "rocket"])
    names = class_names(scene.model) or ()
    last = Decompose()(scene).heads[:, -1, 0]  # (pictures, D)
    return word(last, class_directions(scene), names)


CALLS: dict[str, Callable[[Any], Any]] = {
    "TextSpan": _texts,
    "Gates": lambda word: word(mv.Scene(mv.load_vit("convit_tiny", pretrained=False), PICTURE)),
    "PositionProbe": lambda word: word(_scene(["cat", "coffee", "astronaut", "rocket"])),
    "PixelProbe": lambda word: word(_scene(["cat", "coffee", "astronaut", "rocket"])),
    "ClassProbe": lambda word: word(_scene(["cat", "coffee", "cat", "coffee"]), [0, 1, 0, 1]),
    "DefectDirections": lambda word: torch.stack(word(_model())),
    "Repair": lambda word: torch.tensor([step.loss for step in word(_scene()) if step.loss is not None]),
    "DoubleTrouble": lambda word: word(_scene()),
    "RemovalAttribution": lambda word: word(_scene()),
    "VisualSummaries": lambda word: word(_scene(["cat", "coffee"], "tabby")),
    "CompletenessGap": lambda word: (s := _scene()) and word(s, mv.lenses.InputXGradient()(s)),
    "PointingGame": lambda word: (s := _scene()) and word(s, mv.lenses.Chefer()(s)),
}


@singledispatch
def view(found: Any, scene: mv.Scene) -> Figure:
    """A figure of what a method returned: of a value that is not known here, its first field that is a table of numbers."""
    if dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            value = getattr(found, field.name)
            if isinstance(value, Tensor) and value.numel() > 3 and value.is_floating_point():
                return _matrix(value, field.name)
    return _words(repr(found))


@view.register
def _(found: Heatmap, scene: mv.Scene) -> Figure:
    return found[0].plot(mv.image(PICTURE).fit(*scene.anatomy.size))


@view.register
def _(found: Score, scene: mv.Scene) -> Figure:
    figure = Figure((5.2, 2.6))
    left = figure.add_subplot(1, 2, 1) if found.curve else figure.add_subplot()
    if found.curve:
        left.plot(found.curve.x, found.curve.y[0], color="tab:blue")
        left.fill_between(found.curve.x, found.curve.y[0], alpha=0.2)
        left.set_xlabel(found.curve.x_label)
        left.set_ylabel(found.curve.y_label)
        right = figure.add_subplot(1, 2, 2)
    else:
        right = left
    right.set_axis_off()
    right.text(0.5, 0.6, f"{float(found.value[0]):.3g}", ha="center", fontsize=22)
    right.text(0.5, 0.4, f"{found.better} is better", ha="center", fontsize=10)
    return figure


@view.register
def _(found: Components, scene: mv.Scene) -> Figure:
    values = found.values[0, ..., :3].float()
    low, high = values.amin((0, 1)), values.amax((0, 1))
    return _image(((values - low) / (high - low)).numpy(), "first three components as colours")


@view.register
def _(found: NormModes, scene: mv.Scene) -> Figure:
    figure = Figure((4, 2.4))
    axis = figure.add_subplot()
    axis.hist(found.norms.flatten().numpy(), bins=40, color="tab:grey")
    axis.set_xlabel("norm of a token")
    axis.set_title("no outliers" if found.threshold is None else f"threshold {found.threshold:.3g}", fontsize=9)
    return figure


@view.register
def _(found: Tensor, scene: mv.Scene) -> Figure:
    return _matrix(found, "")


@view.register(list)
@view.register(tuple)
def _(found: Sequence[Any], scene: mv.Scene) -> Figure:
    if found and isinstance(found[0], Segment):
        figure = _image(mv.image(PICTURE).fit(*scene.anatomy.size).array, repr(found[0]).partition(", by")[0])
        x0, y0, x1, y1 = found[0].box
        figure.axes[0].add_patch(
            matplotlib.patches.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color="tab:red", lw=2)
        )
        return figure
    if found and isinstance(found[0], (list, tuple)) and found[0]:
        return view(found[0], scene)
    numbers = [getattr(each, "value", getattr(each, "score", getattr(each, "fall", None))) for each in found]
    if numbers and all(each is not None for each in numbers):
        figure = Figure((4, 2.2))
        axis = figure.add_subplot()
        axis.bar(range(len(numbers)), numbers, color="tab:grey")
        axis.set_xlabel("found, the largest first")
        return figure
    return _words(repr(found))


def _matrix(value: Tensor, name: str) -> Figure:
    table = value.detach().float()
    if table.ndim == 1:
        figure = Figure((4, 2.2))
        axis = figure.add_subplot()
        axis.plot(table)
        axis.set_title(name, fontsize=9)
        return figure
    while table.ndim > 2:
        table = table[0]
    return _image(table.numpy(), name.replace("_", " "), bar=True)


def _image(array: np.ndarray, title: str, *, bar: bool = False) -> Figure:
    figure = Figure((3.2, 2.8))
    axis = figure.add_subplot()
    shown = axis.imshow(array, interpolation="nearest", aspect="auto" if bar else "equal")
    axis.set_title(title, fontsize=9)
    if bar:
        figure.colorbar(shown)
    else:
        axis.set_axis_off()
    return figure


def _words(text: str) -> Figure:
    figure = Figure((5, 1.6))
    figure.text(0.02, 0.5, text[:400], fontsize=8, wrap=True, va="center", family="monospace")
    return figure
