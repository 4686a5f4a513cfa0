"""What runs in the kernel of a lesson that becomes a page: its widgets are written down, those that a cell closes before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..widgets import LiveWidget, MaskPainter
from .page import carried, container

_closed: dict[str, bytes] = {}


def watch(*, model: bool = False) -> None:
    """From now on a widget that is closed is written down first."""
    close = LiveWidget.close

    def remembered(widget: LiveWidget) -> None:
        if getattr(widget, "comm", None) is not None and hasattr(widget, "engine") and not widget.engine.closed:
            _closed[str(widget.model_id)] = _written(widget, model=model)
        close(widget)

    LiveWidget.close = remembered  # type: ignore[method-assign]


def write(folder: str, ids: list[str], *, model: bool = False) -> None:
    """A file for every widget of these ids that there is or was; other widgets have none. What fails is written as its reason."""
    from ipywidgets.widgets.widget import _instances

    for name in ids:
        widget: Any = _instances.get(name)
        data = _written(widget, model=model) if isinstance(widget, LiveWidget) else _closed.get(name)
        if data is not None:
            (Path(folder) / name).write_bytes(data)


def _written(widget: LiveWidget, *, model: bool) -> bytes:
    if model and isinstance(widget, MaskPainter):
        try:
            return container(carried(widget, model=True))
        except (
            TypeError,
            ValueError,
        ):  # a model of the lesson's own that no browser can run: its answers go without it
            pass
    try:
        return container(carried(widget))
    except Exception as error:
        return container({"failed": f"{type(widget).__name__} could not be written: {type(error).__name__}: {error}"})
