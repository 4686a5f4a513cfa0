"""Who wants to be told what a run does."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .loop import Step


@dataclass(frozen=True)
class Event:
    """kind: "step", "state", "lr", "moment", "validation" or "warning"; step: what has just been done, of a "step"."""

    kind: str
    step: Step | None = None


class Followers:
    """Called in turn with each Event. Bound methods are held weakly: what follows a run is not kept alive by it."""

    def __init__(self) -> None:
        self._all: list[Callable[[], Any]] = []

    def add(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        held = weakref.WeakMethod(callback) if hasattr(callback, "__self__") else lambda: callback
        self._all.append(held)
        return lambda: self._all.remove(held) if held in self._all else None

    def tell(self, event: Event) -> None:
        for held in list(self._all):
            callback = held()
            if callback is None:
                self._all.remove(held)
                continue
            try:
                callback(event)
            except Exception as error:  # a follower's mistake is shown where Python shows errors of threads
                shown = (type(error), error, error.__traceback__, threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(shown))

    def __len__(self) -> int:
        return len(self._all)
