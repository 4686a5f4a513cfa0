"""An inspector without a kernel: all layers and thresholds, tokens to ask about, test-time registers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...widgets.register_question import Lab, Question, Wish
from ..baked import Baked, Group, Traits, asked, state_of

LIMIT = 4 * 2**20  # bytes of cosines and attention


def inspector(widget: Any) -> Baked:
    """See the module's first line."""
    widget.wait()
    now = replace(widget._asked, repairing=False)
    kinds = ["none", "registers"] if now.treatment == "none" else ["none", now.treatment]
    labs = {kind: Lab(widget._lab.model, widget._lab.picture, before=widget._lab.before) for kind in kinds}
    if now.treatment == "repair":
        labs["repair"].steps = list(widget._lab.steps)
    wishes = {kind: replace(now, treatment=kind, defects=True) for kind in kinds}
    whole = {kind: _told(labs[kind], wishes[kind]) for kind in kinds}
    if now.treatment == "repair":
        whole["repair"]["curve"] = dict(widget.curve)
    state = state_of(widget) | {"repairing": False, "cosines": whole["none"].get("cosines", b"")}
    tokens, words = _tokens(widget, now.token)
    layers = [
        ([layer, kind], [_only(_told(labs[kind], replace(wishes[kind], layer=layer)), "features")])
        for kind in kinds
        for layer in range(widget.depth)
    ]
    about = [([token, kind], [_about(labs[kind], wishes[kind], token)]) for kind in kinds for token in tokens]
    after = {"after": b"", "after_info": {}, "after_about": b"", "curve": {}}
    turns = [([kind], [after | _only(whole[kind], "after", "curve") | {"problem": {}}]) for kind in kinds]
    other = "another treatment" if "registers" in kinds else "test-time registers"
    return Baked(
        state,
        free=("thresholds", "defects", "title"),
        groups=[
            Group(("treatment",), ("treatment",), turns),
            Group(("layer", "treatment"), ("layer", "treatment"), layers),
            Group(("token", "treatment"), ("token", "treatment"), about),
        ],
        needs={
            "[data-action=repair]": "running the repair",
            f"[data-action=treat-{'repair' if 'registers' in kinds else 'registers'}]": other,
            "[aria-label='Number of register neurons']": "another number of neurons or registers",
            "[aria-label='Number of registers']": "another number of neurons or registers",
        },
        can=[
            "layers, thresholds by hand, defect directions, values under the pointer",
            f"what was treated: {kinds[1]}",
            words,
        ],
    )


def _told(lab: Lab, wish: Wish) -> Traits:
    traits: Traits = {}
    for news in asked(Question(lab, wish)):
        traits |= news
    return traits


def _only(traits: Traits, *starts: str) -> Traits:
    return {name: value for name, value in traits.items() if name.startswith(starts)}


def _about(lab: Lab, wish: Wish, token: str) -> Traits:
    lab.done.pop("about", None)
    lab.done.pop("after_about", None)
    return _only(_told(lab, replace(wish, token=token)), "about", "after_about")


def _tokens(widget: Any, now: str) -> tuple[list[str], str]:
    """Those with names and as many patches as there is room for."""
    count = widget.rows * widget.cols
    room = max(0, LIMIT // (2 * 3 * widget.depth * count * 4) - len(widget.tokens))
    patches = [str(i) for i in range(count)]
    if room >= count:
        return [*widget.tokens, *patches], "cosines and attention of every token"
    kept = dict.fromkeys([now, *widget.tokens, *patches[:: -(-count // max(1, room))]])
    return list(
        kept
    ), f"cosines and attention of named tokens and of {len(kept) - len(widget.tokens)} patches, evenly spaced"
