"""All views over one picture and one model, under one hover: a bench to work at, in a notebook or as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ipywidgets as ipw

from ..core import Picture
from ..data import image
from ..train import Run
from .attention_explorer import AttentionExplorer
from .given import vit_of
from .linking import Link
from .live import LiveWidget
from .mask_painter import MaskPainter
from .register_inspector import RegisterInspector
from .saliency_comparer import SaliencyComparer
from .training_monitor import TrainingMonitor

PARTS = {
    "paint": "Hide patches, see the reconstruction",
    "attention": "Where the heads look",
    "registers": "Token norms, outliers, registers",
    "saliency": "What speaks for a class",
    "training": "A training as it runs",
}


class Studio(ipw.VBox):
    """Painter, attention, registers, saliency and a training over one picture, linked: hover in one, and it is marked in all.

    Parameters
    ----------
    picture : anything `mimviz.image` takes. A picture that is dropped on the painter is taken over by every part.
    model : a timm ViT or a name for `load_vit` (default: the bundled "tiny-classifier"): attention, registers, saliency.
    mim : a MaskedModel or a name for `load_mim` (default: the bundled "tiny"): the painter.
    run : a `Run`, for the training's monitor; it watches its own pictures.
    show : names of the parts that are open at first: "paint", "attention", "registers", "saliency", "training".

    A part is made when it is first opened, and then stays: `studio["attention"]`. `studio.load(picture)` changes the picture of
    all, `studio.close()` ends them. A part that cannot be made (a model without classes, with windows) says why in its place.
    """

    def __init__(
        self,
        picture: Any = "cat",
        model: Any = None,
        *,
        mim: Any = None,
        run: Run | None = None,
        show: Iterable[str] = ("paint", "attention"),
    ):
        names = [name for name in PARTS if name != "training" or run is not None]
        opened = [show] if isinstance(show, str) else list(show)
        if wrong := [name for name in opened if name not in names]:
            reason = "; give run= for the training" if "training" in wrong and run is None else ""
            raise ValueError(f"show names {wrong[0]!r}, but there are {', '.join(names)}{reason}")
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"run is {type(run).__name__}, but a mimviz.Run is wanted")
        self.picture: Picture = image(picture)
        self.parts: dict[str, LiveWidget] = {}
        self._link = Link(())
        self._makers: dict[str, Callable[[], LiveWidget]] = self._made_of(vit_of(model), mim, run)
        self._places = {name: ipw.VBox(layout={"margin": "0 0 12px 0"}) for name in names}
        self._switches = {name: ipw.ToggleButton(description=name, tooltip=PARTS[name], value=False) for name in names}
        for name, switch in self._switches.items():
            switch.layout.width = "auto"
            switch.observe(lambda change, name=name: self._turn(name, change["new"]), names="value")
        super().__init__([ipw.HBox(list(self._switches.values())), *self._places.values()])
        for name in opened:
            self._switches[name].value = True

    def load(self, source: Any) -> None:
        """Take another picture in every part; raises what `mimviz.image` raises, and then nothing has changed."""
        self._take(image(source))
        if "paint" in self.parts:
            self.parts["paint"].load(self.picture)  # type: ignore[attr-defined]

    def __getitem__(self, name: str) -> LiveWidget:
        """A part, made if it was never opened; KeyError for a name that there is not."""
        if name not in self._makers:
            raise KeyError(f"there is no part {name!r}, but {', '.join(self._makers)}")
        return self.parts[name] if name in self.parts else self._make(name)

    def show(self, name: str) -> None:
        """Show a part; KeyError for a name that there is not."""
        if name not in self._switches:
            raise KeyError(f"there is no part {name!r}, but {', '.join(self._switches)}")
        self._switches[name].value = True

    def to_html(self, path: str | Path | None = None) -> str:
        """The parts that are open as one page without a kernel, linked as here; see `LiveWidget.to_html`."""
        from ..share.page import assemble, carried, place

        opened = {name: part for name, part in self.parts.items() if self._switches[name].value}
        body = "\n".join(place(name) for name in opened)
        page = assemble("mimviz studio", body, {name: carried(part) for name, part in opened.items()})
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def close(self) -> None:
        """Stop and let go of all parts."""
        for part in self.parts.values():
            part.close()
        self.parts.clear()
        self._makers = {}
        super().close()

    def __repr__(self) -> str:
        return (
            f"Studio({', '.join(name for name, switch in self._switches.items() if switch.value) or 'nothing is open'})"
        )

    # --- inside ---

    def _made_of(self, model: Any, mim: Any, run: Run | None) -> dict[str, Callable[[], LiveWidget]]:
        makers: dict[str, Callable[[], LiveWidget]] = {
            "paint": lambda: MaskPainter(self.picture, mim),
            "attention": lambda: AttentionExplorer(model, self.picture),
            "registers": lambda: RegisterInspector(model, self.picture),
            "saliency": lambda: SaliencyComparer(model, self.picture),
        }
        return makers if run is None else {**makers, "training": lambda: TrainingMonitor(run)}

    def _turn(self, name: str, on: bool) -> None:
        place = self._places[name]
        place.layout.display = None if on else "none"
        if not on or name in self.parts:
            return
        try:
            place.children = [self._make(name)]
        except (TypeError, ValueError) as error:  # this model has no such view; the others have
            place.children = [_note(f"{name}: {error}")]

    def _make(self, name: str) -> LiveWidget:
        made = self._makers[name]()
        made.linked = self._link.group
        self.parts[name] = made
        self._places[name].children = [made]
        if isinstance(made, MaskPainter):
            made.observe(lambda _: self._follow(made), names="original")
        return made

    def _follow(self, painter: MaskPainter) -> None:
        """Somebody has dropped a picture on the painter."""
        if painter.source is not None and painter.source is not self.picture:
            self._take(painter.source)

    def _take(self, picture: Picture) -> None:
        self.picture = picture
        for name in [name for name in self.parts if name not in ("paint", "training")]:
            old = self.parts.pop(name)
            self._places[name].children = []
            old.close()
            if self._switches[name].value:
                self._turn(name, True)


def _note(text: str) -> ipw.Widget:
    label = ipw.Label(text)  # text, never markup
    label.layout.white_space = "normal"
    return label
