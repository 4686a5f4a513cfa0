"""What an explorer shows, outside of it: as numbers, as a figure, as a file."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plot import show_heads
from ..plot.receipt import versions
from ..vit.fingerprint import fingerprint
from .attention_question import Look
from .attention_side import Side
from .attention_stack import patch_of, said

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("npz", "json", "svg", "pdf", "png")


def numbers(look: Look) -> dict[str, Any]:
    """Exact numbers of a look, see `AttentionExplorer.data`."""
    edits = {"heads": [list(head) for head in look.edits.heads], "tokens": list(look.edits.tokens)}
    models = [side.data(look.part, look.layer, look.query, look.edits) for side in _there(look)]
    return {"part": look.part, "layer": look.layer, "query": look.query, "edits": edits, "models": models}


def drawn(look: Look) -> Figure:
    """The heads of a look as a matplotlib figure."""
    edited = " · edited" if look.edits.heads or look.edits.tokens else ""
    figure: Any = show_heads(
        look.sides[0].picture,
        {side.name: side.stack(look.part, look.edits).maps(look.layer, look.query) for side in _there(look)},
        query=patch_of(look.query),
        grid=look.sides[0].names,
        title=_title(look) + edited,
    )
    mask = look.sides[0].mask
    figure.receipt = {
        "kind": "figure of attention", "models": [fingerprint(side.model) for side in _there(look)], "part": look.part,
        "layer": look.layer, "query": look.query, "heads": [list(head) for head in look.edits.heads],
        "tokens": list(look.edits.tokens), "mask": None if mask is None else mask.to_rle(), "versions": versions(),
    }  # fmt: skip
    return figure


def as_file(look: Look, kind: str) -> bytes:
    """The bytes of a file: a figure, .json, or .npz with the maps by model (`attention_0`, …) and the rest as JSON in `about`."""
    buffer = BytesIO()
    if kind not in FORMATS:
        raise ValueError(f"format is {kind!r}, but one of {', '.join(FORMATS)} is wanted")
    if kind not in ("npz", "json"):
        drawn(look).savefig(buffer, format=kind, dpi=150)
        return buffer.getvalue()
    data = numbers(look)
    if kind == "json":
        return json.dumps(data, default=_plain, indent=1).encode()
    maps = {f"attention_{i}": model["attention"] for i, model in enumerate(data["models"])}
    models = [{name: value for name, value in model.items() if name != "attention"} for model in data["models"]]
    about = np.array(json.dumps({**data, "models": models}, default=_plain))
    np.savez_compressed(buffer, allow_pickle=False, about=about, **maps)
    return buffer.getvalue()


def _title(look: Look) -> str:
    side = look.sides[0]
    if look.layer < side.depth(look.part) and side.stack(look.part, look.edits).shapes[look.layer].pool:
        return "attention pooling, from its learnt query"
    return f"layer {look.layer + 1} of the {look.part}, from {said(look.query)}"


def _there(look: Look) -> list[Side]:
    """The models that have this layer."""
    return [side for side in look.sides if look.layer < side.depth(look.part)]


def _plain(value: Any) -> Any:
    """Numbers that JSON cannot say are null."""
    if isinstance(value, np.ndarray):
        return np.where(np.isfinite(value), value.astype(object), None).tolist()  # type: ignore[call-overload]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
