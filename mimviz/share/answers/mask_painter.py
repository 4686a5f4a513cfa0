"""A painter without a kernel: the present outcome and those of drawn masks; or the model, which answers any mask."""

from __future__ import annotations

from typing import Any

from ...widgets.painted import drawn_mask
from ...widgets.reconstruction import Question, encoded
from ..baked import Baked, Group, asked, state_of

RATIOS, SEEDS = (0.5, 0.75, 0.9), (0, 1, 2)
NO_MODEL = {
    "title": "No answer to this mask",
    "text": "This page carries the model's answers to masks that were drawn, and no model.",
    "hint": "Press Draw, or Undo; or save the mask and open it in a notebook.",
}
ASIDE = ("dragging", "stroke", "strategy", "ratio", "seed", "upload_name", "title")


def painter(widget: Any, *, model: bool = False) -> Baked:
    """See the module's first line."""
    widget.wait()
    masks = _drawn(widget)
    statistics = ["visible", "true"] if widget.normalized else ["visible"]
    wanted = {bytes(widget.hidden): None, **dict.fromkeys(mask for _, mask in masks)}
    if model:
        wanted = {bytes(widget.hidden): None}
    answers = [
        ([hidden.hex(), each], [told])
        for hidden in wanted
        for each in statistics
        if (told := _answer(widget, hidden, each))
    ]
    draws = [
        ([strategy, ratio, seed], [{"hidden": hidden, "ratio": ratio, "seed": seed}])
        for (strategy, ratio, seed), hidden in masks
    ]
    baked = Baked(
        state_of(widget, without=("upload",)) | {"dragging": False},
        free=ASIDE,
        groups=[
            Group(("draw",), ("strategy", "ratio", "seed"), draws, nearest=("ratio", "seed")),
            Group(("hidden", "statistics"), ("hidden", "statistics"), answers, keep=True, otherwise=NO_MODEL),
        ],
        needs={"[data-action=open]": "another picture"},
        can=[
            "painting, undo, masks to and from files, values under the pointer",
            f"drawing masks with every strategy, at ratios {', '.join(map(str, RATIOS))} and seeds "
            f"{', '.join(map(str, SEEDS))}: the ratio and seed next to yours are taken",
        ],
    )
    if not model:
        baked.can.append("the model's answers to those masks and to the one that was painted when the page was made")
        return baked
    from ..thinking import masked_brain

    baked.brain = masked_brain(widget._mim, widget._picture)
    if widget.normalized:
        baked.needs["[aria-label='Statistics of hidden patches']"] = "the other statistics of hidden patches"
    baked.can.append("the model itself: it answers every mask, in this browser, within 0.001 of what Python draws")
    return baked


def _drawn(widget: Any) -> list[tuple[tuple[str, float, int], bytes]]:
    """(strategy, ratio, seed) and the mask that they draw, without those that cannot be drawn on this picture."""
    found = []
    ratios = sorted({*RATIOS, round(widget.ratio, 4)})
    seeds = sorted({*SEEDS, widget.seed})
    for recipe in ((s, r, n) for s in widget.strategies for r in ratios for n in seeds):
        strategy, ratio, seed = recipe
        try:
            mask = drawn_mask(widget._picture, widget._grid, strategy=strategy, ratio=ratio, seed=seed)
        except Exception:  # e.g. a picture with too few regions: the page has no such mask
            continue
        found.append((recipe, widget._bytes(mask)))
    return found


def _answer(widget: Any, hidden: bytes, statistics: str) -> dict[str, Any] | None:
    """What the widget would show for this mask; None where it would show why not."""
    if not 0 < sum(hidden) < len(hidden):
        return None
    question = Question(widget._mim, widget._picture, hidden, statistics, 0, exact=True, recent={})
    (shown,) = asked(question)
    report = question.report(shown, events=0, runs=0) | {"ms": 0.0}
    return {"picture": encoded(shown.outcome.picture, exact=True), "error": shown.error, "report": report}
