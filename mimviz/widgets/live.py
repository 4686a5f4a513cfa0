"""What every widget shares: its bundle, its lock, its engine, its end."""

from __future__ import annotations

import difflib
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from .engine import Answer, Engine

STATIC = Path(__file__).parent / "static"


class LiveWidget(anywidget.AnyWidget):
    """A widget whose work runs in an `Engine`.

    A subclass names its front end (`class MaskPainter(LiveWidget, bundle="mask_painter")`), asks `self.engine` and
    shows what comes back in `answered`. Messages of the browser, assignments of the user and answers of the worker come
    from three threads (JupyterLab runs widget messages beside a busy cell); one lock keeps each of them whole.
    """

    linked = t.Unicode("", help="views with the same word here share one hover, see `mimviz.link`").tag(sync=True)

    engine: Engine
    _lock: threading.RLock
    _bundle = ""

    def __init_subclass__(cls, bundle: str = "", **keywords: Any):
        if bundle:
            cls._bundle = bundle
            cls._esm, cls._css = _read(f"{bundle}.js"), _read(f"{bundle}.css")
        super().__init_subclass__(**keywords)

    def __init__(self, **traits: Any):
        _refuse_unknown(type(self).__name__, traits, self.trait_names())
        if not str(self._esm):
            raise FileNotFoundError(
                f"mimviz/widgets/static/{self._bundle}.js does not exist, but {type(self).__name__} is drawn by it: "
                "the front end was not built. Run `cd widgets && npm ci && npm run build`, or install again with "
                "`pip install .`; then restart the kernel"
            )
        self.engine = Engine(self._receive)
        super().__init__(**traits)

    def answered(self, answer: Answer) -> None:
        """Show an answer of the engine; called in the worker thread. What it sets goes out as one message."""
        raise NotImplementedError

    def wait(self, timeout: float | None = 60.0) -> None:
        """Block until the newest question is answered and shown; TimeoutError after `timeout` seconds."""
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("wait() inside an observer would wait for itself: read the change instead")
        if not self.engine.wait(timeout) and not self.engine.closed:
            raise TimeoutError(f"{type(self).__name__} had no answer in {timeout} s: is the model slower than that?")

    def close(self) -> None:
        """Stop the work and take the widget off the page. A second call does nothing."""
        if hasattr(self, "engine"):  # also called for a widget that was refused half-made
            self.engine.close()
        super().close()

    def to_html(self, path: str | Path | None = None, *, model: bool = False) -> str:
        """The widget as one HTML file that opens without a kernel and without a network; its text, written to `path` if given.

        What Python has answered goes with it and stays alive: hover, layers, heads, sliders, moments. What needs the kernel is
        there, disabled, and says why. model: also the model itself, run by the browser (MaskPainter and, of one plain ViT,
        AttentionExplorer; `pip install 'mimviz[share]'`). Waits for answers that are on their way. Raises RuntimeError for a
        closed widget, TypeError for a model that stays in Python, FileNotFoundError where the page's script was not built.
        """
        from ..share.page import widget_page

        return widget_page(self, path, model=model)

    @contextmanager
    def together(self):
        """Changes made inside are one: one message, observers called after the last, no other thread between."""
        with self._lock, self.hold_sync(), self.hold_trait_notifications():
            yield

    def _receive(self, answer: Answer) -> None:
        with self._lock:
            if not self.engine.closed:  # as may have happened while this thread waited for the lock
                with self.together():
                    self.answered(answer)

    def set_state(self, sync_data: dict) -> None:
        with self._lock:
            super().set_state(sync_data)

    def setup_instance(self, *args: Any, **keywords: Any) -> None:
        object.__setattr__(self, "_lock", threading.RLock())
        super().setup_instance(*args, **keywords)

    def __setattr__(self, name: str, value: Any) -> None:
        with self._lock:
            super().__setattr__(name, value)


def _read(name: str) -> str | Path:
    """The text of a built file, or "". Not its Path: anywidget never lets go of a widget whose `_esm` is a Path.

    Only under ANYWIDGET_HMR=1 it is the Path, so that a rebuilt bundle shows up without a restart.
    """
    path = STATIC / name
    if os.environ.get("ANYWIDGET_HMR") == "1" and path.exists():
        return path
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _refuse_unknown(widget: str, given: dict, known: list[str]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, [k for k in known if not k.startswith("_")], 1)
            hint = f"Did you mean {near[0]!r}?" if near else "See its docstring for the ones it takes."
            raise TypeError(f"{widget} takes no argument {name!r}. {hint}")
