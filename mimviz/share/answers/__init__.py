"""What is baked of each widget: ONE FILE = ONE WIDGET. Others derived from `LiveWidget` are shown as they are, with no answers."""

from __future__ import annotations

from typing import Any

from ...widgets import (
    AttentionExplorer,
    JudgeBoard,
    LiveWidget,
    MaskPainter,
    RecipeLab,
    RegisterInspector,
    SaliencyComparer,
    TrainingMonitor,
)
from ..baked import Baked, state_of
from .attention_explorer import explorer
from .judge_board import board
from .mask_painter import painter
from .recipe_lab import lab
from .register_inspector import inspector
from .saliency_comparer import comparer
from .training_monitor import monitor

KNOWN: dict[type[LiveWidget], Any] = {
    MaskPainter: painter, AttentionExplorer: explorer, RegisterInspector: inspector, SaliencyComparer: comparer,
    JudgeBoard: board, TrainingMonitor: monitor, RecipeLab: lab,
}  # fmt: skip


def bake(widget: LiveWidget, *, model: bool = False) -> Baked:
    """All that a page can say for a widget. model: also the model itself, for widgets whose model can think in a browser.

    Raises RuntimeError for a widget that was closed, TypeError where `model` is asked of a widget that takes none.
    """
    if widget.engine.closed:
        raise RuntimeError(f"{widget!r} was closed, so there is nothing to write: make a new one and export that")
    found = next((KNOWN[each] for each in type(widget).__mro__ if each in KNOWN), None)
    if model:
        if found is None or found not in (painter, explorer):
            raise TypeError(
                f"model=True, but {type(widget).__name__} cannot think in a browser: MaskPainter and AttentionExplorer can. "
                "Leave it out: what was computed goes with the page"
            )
        return found(widget, model=True)
    return found(widget) if found else Baked(state_of(widget), can=["everything that is on display"])


__all__ = ["KNOWN", "bake"]
