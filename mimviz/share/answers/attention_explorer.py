"""An explorer without a kernel: all layers within 6 MiB, row by row under the pointer; or the model, which also knocks out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...widgets.attention_bytes import encode, size
from ...widgets.attention_question import Look, Told
from ..baked import Baked, Group, Traits, asked, state_of

LIMIT = 6 * 2**20  # bytes of layers
WHOLE = 2**21  # a layer above is asked for row by row, see widgets/src/kit/exploration.ts
ABSENT = {
    "title": "This layer is not on the page",
    "text": f"A page carries up to {LIMIT // 2**20} MiB of attention, the open layer first; this one is beyond.",
    "hint": "What is on display is of the token that was kept when the page was made.",
}


def explorer(widget: Any, *, model: bool = False) -> Baked:
    """See the module's first line."""
    widget.wait()
    now: Look = widget._look()
    parts = {part: _part(replace(now, part=part, told=Told(), layer=_layer(now, part))) for part in widget._parts}
    state = state_of(widget) | {"layer": now.layer, "request": {}}
    sheets, whole = _sheets(now, list(parts))
    told = [(key, [step]) for key, step in sheets]
    every = {part: [step for (of, _, row), step in sheets if of == part and not row] for part in parts}
    baked = Baked(
        state,
        free=("layer", "title"),
        groups=[
            Group(("part",), ("part",), [([part], [traits, *every[part]]) for part, traits in parts.items()]),
            Group(("query",), ("part",), [([part], steps) for part, steps in every.items()]),
            Group(("request",), ("request",), told, keep=True, otherwise=ABSENT),
        ],
        needs={
            **{f"[data-action={kind}]": "figures and exact numbers as files" for kind in ("svg", "pdf", "npz", "json")},
            "[data-action=out]": "knocking out heads and tokens",
            "[data-action=restore]": "knocking out heads and tokens",
            ".mv-explorer figcaption .mv-toggle": "knocking out heads and tokens",
        },
        can=["every token as the one that looks, layers, heads, parts, statistics, the certificate, PNG", whole],
    )
    if not model:
        return baked
    from ..thinking import attention_brain

    baked.brain = attention_brain(widget)
    baked.needs = {select: why for select, why in baked.needs.items() if "knocking" not in why}
    baked.can.append(
        "the model itself: knocked-out heads and tokens change the other heads and the classes, in this browser"
    )
    return baked


def _layer(now: Look, part: str) -> int:
    return now.layer if part == now.part else -1 % max(side.depth(part) for side in now.sides)


def _part(look: Look) -> Traits:
    """What the page needs to turn to an encoder or a decoder."""
    traits: Traits = {}
    for news in asked(replace(look, told=Told())):
        traits |= news
    return {name: value for name, value in traits.items() if not name.startswith("sheet")} | {"layer": look.layer}


def _sheets(now: Look, parts: list[str]) -> tuple[list[tuple[list[Any], Traits]], str]:
    """([part, layer, ""] or, of a large layer, [part, layer, token]) and its bytes; and in words what there was room for."""
    found, used, left_out = [], 0, []
    for part in sorted(parts, key=lambda each: each != now.part):
        look = replace(now, part=part, layer=_layer(now, part))
        depth = max(len(stack.shapes) for stack in look.stacks)
        for layer in sorted(range(depth), key=lambda each: abs(each - look.layer)):
            sizes = [size(s.heads, s.queries, s.keys, s.front) for s in _shapes(look, layer)]
            if used + sum(sizes) > LIMIT:
                left_out.append(f"{part} {layer + 1}")
                continue
            used += sum(sizes)
            if max(sizes) <= WHOLE:
                found.append(([part, layer, ""], look.sheet(layer)))
            else:
                found += [([part, layer, token], _row(replace(look, layer=layer), token)) for token in _tokens(look)]
    words = "all layers are on the page" if not left_out else f"left out for size: layers {', '.join(left_out)}"
    return found, words


def _shapes(look: Look, layer: int) -> list[Any]:
    return [stack.shapes[layer] for stack in look.stacks if layer < len(stack.shapes)]


def _tokens(look: Look) -> list[str]:
    grid = look.stacks[0].grid
    return [*look.stacks[0].front, *(f"{row},{col}" for row, col in np.ndindex(*grid.shape))]


def _row(look: Look, token: str) -> Traits:
    data = [
        encode(stack.row(look.layer, token), stack.shapes[look.layer].front)
        for stack in look.stacks
        if look.layer < len(stack.shapes)
    ]
    return {
        "sheet": b"".join(data),
        "sheet_info": {"version": look.version, "part": look.part, "layer": look.layer, "row": token},
    }
