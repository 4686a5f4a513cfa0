"""A recipe lab without a kernel: the sentences, their papers, panels and Python, and the closer look that was taken."""

from __future__ import annotations

from typing import Any

from ..baked import Baked, Group, state_of

SENTENCE = "another recipe, encoder or word"
MASK = "another mask"


def lab(widget: Any) -> Baked:
    """See the module's first line."""
    if not widget.training:
        widget.wait()
    state = state_of(widget, without=("upload",)) | {"training": False, "dragging": False}
    shown = {"name": widget.studied.get("name", "")}
    studies = [([""], [{}])]
    if shown["name"]:
        studies.append(([shown["name"]], [{"studied": dict(widget.studied)}]))
    return Baked(
        state,
        free=("title", "strategy", "ratio", "seed", "upload_name", "lr", "steps"),
        groups=[Group(("study",), ("study",), studies)],
        needs={
            ".mv-labside [aria-label=Recipe]": SENTENCE, ".mv-labside [aria-label=Encoder]": SENTENCE, ".mv-labform": SENTENCE,
            ".mv-labwords": SENTENCE, "[data-action=compare]": SENTENCE, "[data-action=remove]": SENTENCE,
            "[data-action=open]": "another picture", ".mv-toolbar": MASK, ".mv-drawing .mv-group:not(.mv-zoom)": MASK,
            ".mv-drawing .mv-field:has([aria-label=Strategy], [aria-label=Ratio], [aria-label=Seed])": MASK,
            ".mv-labtrain": "training",
            **({} if shown["name"] else {"[aria-label='Closer look']": "a closer look"}),
        },
        can=["panels with values under the pointer, papers, the sentence as Python, curves", "the closer look that was taken"
             if shown["name"] else "sizes of panels"],
    )  # fmt: skip
