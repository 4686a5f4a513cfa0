"""What an attention explorer asks its models, answered step by step: what is on the screen first, what only explains it last."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .attention_bytes import encode
from .attention_side import Edits, Side
from .attention_stack import Stack
from .engine import Turn
from .reconstruction import finite

STATISTICS = ("entropy", "distance", "cls", "registers")


@dataclass
class Told:
    """What the browser has been sent, so that no question is answered twice."""

    sides: bool = False
    overview: tuple = ()
    exact: tuple = ()
    statistics: tuple = ()
    layers: list[tuple[str, int]] = field(default_factory=list)
    """(part, layer) that were asked for and not sent yet."""
    ms: float = 0.0
    """Of the newest passes."""
    row: str = ""
    """A token, of which the row in the open layer was asked for and not sent yet."""
    statistics_of: dict[tuple, dict[str, np.ndarray]] = field(default_factory=dict)

    def note(self, traits: dict[str, Any]) -> None:
        """That these have gone out."""
        self.sides = self.sides or "sides" in traits
        for name in ("overview", "exact", "statistics"):
            if info := traits.get(f"{name}_info"):
                setattr(self, name, tuple(info[key] for key in ("version", "part", "layer", "query") if key in info))
        if sent := traits.get("sheet_info"):
            if sent["row"]:
                self.row = "" if self.row == sent["row"] else self.row
            elif (sent["part"], sent["layer"]) in self.layers:
                self.layers.remove((sent["part"], sent["layer"]))


@dataclass(frozen=True, eq=False)
class Look:
    """A job for the engine: attention of `sides` under `edits`, as seen from the token `query` in `layer` of `part`.

    `version` counts the edits; answers carry it. Each step is shared as a dictionary of traits.
    """

    sides: tuple[Side, ...]
    part: str
    layer: int
    query: str
    edits: Edits
    version: int
    told: Told

    def __call__(self, turn: Turn) -> dict[str, Any] | None:
        told = self.told
        before = turn.ms()
        if sum(side.look(self.edits) for side in self.sides):
            told.ms = turn.ms() - before
        if not told.sides:
            turn.share({"sides": [each.describe(self.edits) for each in self.sides]})
        if told.overview != (self.version, self.part, self.query):
            turn.share(self.overview())
        if told.row and not turn.stale():
            turn.share(self.row(told.row))
        if told.exact != self._exact and not turn.stale():
            turn.share(self.exact())
        if not told.statistics and not turn.stale():
            turn.share({"report": self.report()})
        for layer in [layer for part, layer in told.layers if part == self.part]:
            if not turn.stale():
                turn.share(self.sheet(layer))
        if told.statistics != (self.version, self.part) and not self._weigh(turn):
            return None
        certificate = self.certificate(turn)
        return {"report": self.report(certificate=certificate)} if certificate else None

    # --- answers, each a dictionary of traits ---

    def overview(self) -> dict[str, Any]:
        """One row of every head of every layer."""
        rows = [encode(s.row(i, self.query), shape.front) for s in self.stacks for i, shape in enumerate(s.shapes)]
        return {"overview": b"".join(rows), "overview_info": {**self._what, "query": self.query}}

    def exact(self) -> dict[str, Any]:
        """The row of the open layer, unrounded."""
        rows = [stack.row(layer, self.query).astype("<f4").tobytes() for stack, layer in self._open]
        return {"exact": b"".join(rows), "exact_info": {**self._what, "layer": self.layer, "query": self.query}}

    def sheet(self, layer: int) -> dict[str, Any]:
        """All rows of a layer."""
        data = b"".join(
            encode(stack.rows(layer, range(stack.shapes[layer].queries)), stack.shapes[layer].front)
            for stack in self.stacks
            if layer < len(stack.shapes)
        )
        return {"sheet": data, "sheet_info": {**self._what, "layer": layer, "row": ""}}

    def row(self, token: str) -> dict[str, Any]:
        """One row of a layer that is too large to be sent whole."""
        data = b"".join(encode(stack.row(layer, token), stack.shapes[layer].front) for stack, layer in self._open)
        return {"sheet": data, "sheet_info": {**self._what, "layer": self.layer, "row": token}}

    def statistics(self) -> dict[str, Any]:
        """Float32: for every model and layer the values of its heads, one statistic after another; NaN where it has none."""
        found = self.told.statistics_of
        names = [name for name in STATISTICS if any(name in each for each in found.values())]
        data = [
            found[key].get(name, np.full(shape.heads, np.nan)).astype("<f4").tobytes()
            for side, stack in enumerate(self.stacks)
            for layer, shape in enumerate(stack.shapes)
            for key in [(self.version, self.part, side, layer)]
            for name in names
        ]
        return {"statistics": b"".join(data), "statistics_info": {**self._what, "names": names}}

    def certificate(self, turn: Turn) -> dict[str, Any]:
        """The worst of all layers of all models; {} where somebody asks something newer in between."""
        layers = [layer for stack in self.stacks for layer in stack.layers]
        for layer in layers:
            if turn.stale():
                return {}
            layer.certificate  # noqa: B018  # which the layer remembers
        worst = max((layer.certificate for layer in layers), key=lambda each: each.relative / each.tolerance)
        return {
            "exact": worst.exact,
            "error": finite(worst.error),
            "scale": finite(worst.scale),
            "name": worst.name,
            "layers": len(layers),
        }

    def report(self, *, certificate: dict | None = None) -> dict[str, Any]:
        """About the pass, for the status line."""
        return {
            **self._what,
            "models": [{"name": side.name, "device": side.device} for side in self.sides],
            "classes": [side.classes(self.edits) for side in self.sides],
            "losses": [side.loss(self.edits) for side in self.sides],
            "passes": sum(side.passes for side in self.sides),
            "ms": self.told.ms,
            "certificate": certificate or {},
        }

    # --- inside ---

    @cached_property
    def stacks(self) -> list[Stack]:
        """One for each model that has this part."""
        return [side.stack(self.part, self.edits) for side in self.sides if self.part in side.parts]

    @property
    def _what(self) -> dict[str, Any]:
        return {"version": self.version, "part": self.part}

    @property
    def _exact(self) -> tuple:
        return self.version, self.part, self.layer, self.query

    @property
    def _open(self) -> list[tuple[Stack, int]]:
        return [(stack, self.layer) for stack in self.stacks if self.layer < len(stack.shapes)]

    def _weigh(self, turn: Turn) -> bool:
        """Statistics layer by layer, remembered where somebody asks something newer in between; True when they are complete."""
        found = self.told.statistics_of
        for key in [key for key in found if key[:2] != (self.version, self.part)]:
            del found[key]
        for side, stack in enumerate(self.stacks):
            for layer in range(len(stack.shapes)):
                key = self.version, self.part, side, layer
                made = found.get(key) or stack.statistics(layer, turn.stale)
                if not made:
                    return False
                found[key] = made
        turn.share(self.statistics())
        return True
