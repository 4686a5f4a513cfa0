"""A monitor without a kernel: curves, health, and the time machine over moments that there is room for."""

from __future__ import annotations

from typing import Any

from ...widgets.recipe_lab_told import packed
from ...widgets.training_monitor_told import curve, report
from ...widgets.training_monitor_views import Look
from ..baked import Baked, Group, Traits, asked, state_of

LIMIT = 5 * 2**20  # bytes of pictures
LIVE = -1


def monitor(widget: Any) -> Baked:
    """See the module's first line."""
    curves = [curve(run.history) for run in widget.runs]
    reports = [report(run) for run in widget.runs]
    steps = sorted({each.step for run in widget.runs for each in list(run.moments)})
    first = _frame(widget, None)
    room = max(2, LIMIT // max(1, len(first["pictures"])))
    kept = steps if len(steps) <= room else [steps[round(i * (len(steps) - 1) / (room - 1))] for i in range(room)]
    for told in reports:
        told["moments"] = [step for step in told["moments"] if step in kept]
        told["exact"] = [step for step in told["exact"] if step in kept]
        told["drives"] = False
        told["state"] = "stopped" if told["state"] == "running" else told["state"]
    answers = [([LIVE], [first]), *(([step], [_frame(widget, step)]) for step in kept)]
    state = state_of(widget) | {
        "report": {"runs": reports, "points": [len(each) for each in curves]},
        "curves": b"".join(each.tobytes() for each in curves),
        "moment": LIVE, "branching": False, "command": {}, "methods": list(widget.chosen), **first,
    }  # fmt: skip
    why = "training, pausing, other learning rates"
    return Baked(
        state,
        free=("title",),
        groups=[Group(("moment",), ("moment",), answers, nearest=("moment",))],
        needs={
            "[data-action=go]": why, ".mv-train-run [data-action=stop]": why,
            "[aria-label='Peak of the learning rate']": why,
            ".mv-train-fork": "branches", ".mv-menu": "other lenses",
        },
        can=[f"curves, smoothing, health, warnings, and the time machine over {len(kept)} of {len(steps)} kept moments"],
    )  # fmt: skip


def _frame(widget: Any, step: int | None) -> Traits:
    """`frame` and `pictures` of a moment; of now for None."""
    if step is None and all(run.loop is None for run in widget.runs):
        step = max((len(run.history) for run in widget.runs), default=0)
    (frame,) = asked(Look(widget._gallery, step, tuple(widget.chosen)))
    data, panels = packed([(i, panel) for i, place in enumerate(frame.places) for panel in place.panels])
    places = [
        {"run": each.run, "picture": each.picture, "classes": each.classes, "problems": each.problems}
        for each in frame.places
    ]
    told = {
        "steps": frame.steps, "exact": frame.exact, "places": places, "panels": panels, "ms": 0.0,
        "asked": LIVE if step is None else step,
    }  # fmt: skip
    return {"pictures": data, "frame": told}
