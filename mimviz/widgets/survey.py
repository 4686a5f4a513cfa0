"""The work behind a saliency comparer: one map after another, a part at a time, to be left and taken up again at any part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..core import Heatmap
from ..vit import Scene
from ..vit.guards import explain_flat
from .engine import Turn

PACE = 0.12  # seconds between two parts on the screen


@dataclass(frozen=True)
class Part:
    """A map as far as it is known."""

    heat: Heatmap
    done: int
    passes: int
    batch: int
    seconds: float


@dataclass(eq=False)
class Task:
    """One lens on one scene. `stream` is where the work stands; `part` what is known of it; `error` why nothing more will be."""

    key: str
    lens: Any
    scene: Scene
    part: Part | None = None
    finished: bool = False
    error: BaseException | None = None
    warning: str = ""
    stream: Iterator[Part] | None = None

    def advance(self) -> Part | None:
        """The next part; None when there is no more."""
        if self.stream is None:
            self.stream = _parts(self.lens, self.scene)
        self.part = next(self.stream, None) or self.part
        return self.part


@dataclass(frozen=True)
class News:
    """A task has a new part, is finished or has failed; with no task, all of them are done."""

    task: Task | None


@dataclass(eq=False)
class Survey:
    """A job for the engine: the tasks in order, each where it was left. It stops between two parts as soon as it is stale."""

    tasks: list[Task] = field(default_factory=list)

    def __call__(self, turn: Turn) -> News | None:
        for task in self.tasks:
            told = 0.0
            while not task.finished:
                if turn.stale():
                    return None
                before = task.part
                try:
                    part = task.advance()
                    task.finished = part is before or part is None or part.done >= part.passes
                    if task.finished and part is not None:
                        task.warning = explain_flat(task.scene, part.heat.values, getattr(task.lens, "layer", None))
                except Exception as error:
                    task.error, task.finished = error, True
                if task.finished:
                    task.stream = None  # it holds activations
                if task.finished or time.monotonic() - told > PACE:
                    told = time.monotonic()
                    turn.share(News(task))
        return News(None)


def _parts(lens: Any, scene: Scene) -> Iterator[Part]:
    """A slow lens streams its parts; any other gives its map at once."""
    began = time.perf_counter()
    if hasattr(lens, "stream"):
        for part in lens.stream(scene):
            yield Part(part.heat, part.done, part.passes, part.batch, part.seconds)
    else:
        heat = lens(scene)
        yield Part(heat, 1, 1, 1, time.perf_counter() - began)
