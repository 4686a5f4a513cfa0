"""A comparer without a kernel: all maps that were made, on one scale, in words, with regions."""

from __future__ import annotations

from typing import Any

from ...core import describe
from ..baked import Baked, Group, Traits, state_of


def comparer(widget: Any) -> Baked:
    """See the module's first line."""
    made = {key: task for key, task in widget._tasks.items() if task.part or task.error}
    told = [_told(widget, task) for task in made.values()]
    state = state_of(widget) | {"stopped": False, "entry": {}, "part": b""}
    names = list(dict.fromkeys(key.partition("|")[0] for key in made))
    state["methods"] = [name for name in widget.methods if name in names]
    state["chosen"] = [name for name in widget.chosen if name in names]
    state["report"] = state["report"] | {"all": state["report"].get("finished", 0)}
    plain = [{"entry": each["entry"] | {"kept": True}, "part": b""} for each in told if each["entry"].get("words")]
    return Baked(
        state,
        free=("chosen", "title"),
        groups=[
            Group(("resend",), (), [([], told)]),
            Group(("region",), (), [([], plain)], keep=True),
        ],
        needs={
            ".mv-picker": "other classes",
            "[data-action=stop]": "more maps",
        },
        can=[
            f"the maps of {', '.join(names)}: hover, regions and the share of each map inside, scales, opacity, PNG, CSV",
            "maps in words, each of the whole map",
        ],
    )


def _told(widget: Any, task: Any) -> Traits:
    """One map as the widget tells it."""
    caught: Traits = {}
    name, _, column = task.key.partition("|")
    caught["entry"] = {
        "key": task.key, "method": name, "column": column, "by": repr(task.lens), "finished": True,
        "warning": task.warning, "error": {},
    }  # fmt: skip
    caught["part"] = b""
    if task.part:
        heat = task.part.heat
        array = heat.values[0].float().cpu().numpy()
        caught["part"] = array.astype("<f4").tobytes()
        caught["entry"] |= {
            "rows": array.shape[0], "cols": array.shape[1], "signed": heat.signed, "done": task.part.done,
            "passes": task.part.passes, "batch": task.part.batch, "seconds": task.part.seconds,
            "best": widget._asked_about(task), "words": describe(heat).text,
        }  # fmt: skip
    if task.error:
        from ...widgets.reconstruction import problem

        caught["entry"]["error"] = dict(problem(f"{name} gave no map", task.error, ""))
    return caught
