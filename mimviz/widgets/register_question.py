"""One question to a model about its outliers: what the browser does not have yet is computed, the quick first, and told at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..core import Picture
from ..discover import DefectDirections, RegisterNeurons, Repair, RepairStep
from ..discover.sinder import score
from ..vit import Neuron, extra_registers
from .engine import Turn
from .register_bench import Bench, Colours, told

News = dict[str, Any]  # trait → value
PACE = 0.1  # seconds between two reports of a repair


@dataclass(frozen=True)
class Wish:
    """What is to be on display."""

    layer: int
    token: str
    by_hand: tuple[tuple[int, float], ...]
    defects: bool
    treatment: str
    neurons: int
    count: int
    repairing: bool
    repair: Repair


@dataclass(eq=False)
class Lab:
    """What is known so far; the engine's thread alone uses it."""

    model: Any
    picture: Picture
    other: Any = None
    before: Bench | None = None
    after: Bench | None = None
    directions: list | None = None
    neurons: tuple[Neuron, ...] = ()
    repairing: Iterator[RepairStep] | None = None
    steps: list[RepairStep] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)  # what was told, and for which wish

    def news(self, name: str, key: Any) -> bool:
        """Whether `name` has not been told for `key`."""
        return self.done.get(name, self) != key

    def tell(self, name: str, key: Any, news: News) -> News:
        self.done[name] = key
        return news


@dataclass(frozen=True, eq=False)
class Question:
    lab: Lab
    wish: Wish

    def __call__(self, turn: Turn) -> News | None:
        for news in self._pieces(turn):
            turn.share(news)
            if turn.stale():
                return None
        return {"report": self._report(turn.ms())}

    def _pieces(self, turn: Turn) -> Iterator[News]:
        lab, wish = self.lab, self.wish
        by_hand = dict(wish.by_hand)
        if lab.before is None:
            lab.before = Bench(lab.model, lab.picture)
            yield {"norms": _bytes(lab.before.norms)}
        if lab.news("modes", wish.by_hand):
            yield lab.tell("modes", wish.by_hand, {"modes": {"list": told(lab.before.modes(by_hand))}})
        yield from self._about(by_hand, "about", lab.before)
        if lab.news("channels", True):
            yield lab.tell("channels", True, {"channels": {"list": lab.before.channels}})
        if lab.news("box", True):
            yield lab.tell("box", True, {"box": _box(lab.before)})
        yield from self._after(by_hand)
        yield from self._features()
        if wish.defects and lab.news("defects", True):
            yield lab.tell("defects", True, {"cosines": self._cosines(lab.before)})
        yield from self._repair(turn, by_hand)

    def _about(self, by_hand: dict[int, float], name: str, bench: Bench) -> Iterator[News]:
        key = (self.wish.token, self.wish.by_hand if self.wish.token == "outliers" else (), id(bench))
        if self.lab.news(name, key):
            numbers = bench.about(self.wish.token, by_hand)
            yield self.lab.tell(name, key, {name: _bytes(numbers), f"{name}_info": {"token": self.wish.token}})

    def _features(self) -> Iterator[News]:
        lab, layer = self.lab, self.wish.layer
        benches = [each for each in (lab.before, lab.after) if each is not None]
        if lab.news("features", key := (layer, id(lab.after))):
            found = Colours.of(benches, layer)
            info = {"layer": layer, "explained": found.explained}
            both = b"".join(found.pictures)
            yield lab.tell("features", key, {"features": both, "features_info": info})

    # --- treatments ---

    def _after(self, by_hand: dict[int, float]) -> Iterator[News]:
        lab, wish = self.lab, self.wish
        if wish.treatment != "repair":
            lab.repairing, lab.steps = None, []
        if wish.treatment == "none" or (wish.treatment == "repair" and not lab.steps):
            key: Any = wish.treatment
            if lab.news("after", key):
                lab.after, lab.neurons = None, ()
                yield lab.tell("after", key, {"after": b"", "after_info": {}, "after_about": b"", "curve": {}})
        elif wish.treatment == "other":
            if lab.news("after", key := "other"):
                lab.after, lab.neurons = Bench(lab.other, lab.picture), ()
                yield lab.tell("after", key, self._treated({}) | {"curve": {}})
        elif wish.treatment == "registers":
            key = ("registers", wish.neurons, wish.count, wish.by_hand)
            if lab.news("after", key):
                yield lab.tell("after", key, self._registers(by_hand))
        if lab.after is not None:
            yield from self._about(by_hand, "after_about", lab.after)

    def _registers(self, by_hand: dict[int, float]) -> News:
        lab, wish = self.lab, self.wish
        lab.after, lab.neurons = None, ()
        assert lab.before is not None
        layer = self._layer_with_outliers(by_hand)
        if layer is None:
            why = "No layer has outliers, so there is nothing to move. Drag a threshold below some patches to call them outliers."
            return {"after": b"", "after_about": b"", "after_info": {"kind": "registers", "why": why}}
        found = lab.before.found(layer, by_hand.get(layer))
        lab.neurons = RegisterNeurons(count=wish.neurons, layer=layer, threshold=found.threshold)(lab.before.scene)
        with extra_registers(lab.before.scene.subject.vit, lab.neurons, count=wish.count):
            lab.after = Bench(lab.model, lab.picture)
        units = [[n.layer, n.index, n.score] for n in lab.neurons]
        return self._treated({"neurons": units, "layer": layer})

    def _treated(self, more: dict) -> News:
        after = self.lab.after
        assert after is not None
        info = {"kind": self.wish.treatment, "modes": told(after.modes({})), "box": _box(after), "names": after.names, **more}
        return {"after": _bytes(after.norms), "after_info": info}

    def _layer_with_outliers(self, by_hand: dict[int, float]) -> int | None:
        """The one on display where it has some, else the last that has."""
        assert self.lab.before is not None
        modes = self.lab.before.modes(by_hand)
        some = [layer for layer, each in enumerate(modes) if each.mask.any()]
        return self.wish.layer if self.wish.layer in some and self.wish.layer in by_hand else some[-1] if some else None

    def _repair(self, turn: Turn, by_hand: dict[int, float]) -> Iterator[News]:
        """Steps until they are all done or somebody asks something else; the next question goes on from there."""
        lab, wish = self.lab, self.wish
        if wish.treatment != "repair":
            return
        if not wish.repairing:
            if lab.steps and lab.news("after", key := ("repair", len(lab.steps))):
                yield self._repaired(key)
                yield from self._about(by_hand, "after_about", lab.after)  # type: ignore[arg-type]
                yield from self._features()
            return
        if lab.repairing is None:
            lab.steps, lab.repairing = [], wish.repair(lab.before.scene)  # type: ignore[union-attr]
        said = time.monotonic()
        for step in lab.repairing:
            lab.steps.append(step)
            if turn.stale():
                return
            if time.monotonic() - said > PACE:
                said = time.monotonic()
                yield {"curve": _curve(lab.steps, wish.repair.steps, running=True)}
        lab.repairing = None
        yield {"curve": _curve(lab.steps, wish.repair.steps, running=False), "repairing": False}

    def _repaired(self, key: Any) -> News:
        lab = self.lab
        lab.after = Bench(lab.steps[-1].model, lab.picture)
        return lab.tell("after", key, self._treated({"steps": len(lab.steps), "cosine": lab.steps[-1].cosine}))

    def _cosines(self, bench: Bench) -> bytes:
        """(layers, N): |cos| of every patch to its layer's defect direction."""
        if self.lab.directions is None:
            self.lab.directions = DefectDirections()(bench.scene.subject.vit)
        maps = [score(bench.trace.maps(i), u)[0].flatten() for i, u in enumerate(self.lab.directions)]
        return _bytes(torch.stack(maps))

    def _report(self, ms: float) -> dict:
        assert self.lab.before is not None
        trace = self.lab.before.trace
        exact = trace.certificate.exact if trace.layers else None
        return {"device": str(self.lab.before.scene.images.device), "ms": ms, "exact": exact}


def _curve(steps: list[RepairStep], of: int, *, running: bool) -> dict:
    return {
        "loss": [step.loss for step in steps],
        "ratio": [min(step.ratio, 1e12) for step in steps],
        "cosine": [step.cosine for step in steps],
        "of": of,
        "running": running,
    }


def _box(bench: Bench) -> list[int]:
    return list(bench.segment.box) if bench.segment else []


def _bytes(numbers: torch.Tensor | np.ndarray) -> bytes:
    array = numbers.float().cpu().numpy() if isinstance(numbers, torch.Tensor) else numbers
    return array.astype("<f4").tobytes()
