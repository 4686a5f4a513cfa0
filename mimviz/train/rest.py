"""The rest between two steps of a training: what others want of the model is done there, by the thread that trains."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any


class Rest:
    """`now(ask)` and `soon(ask)` have `ask` called while no step is running: by the thread that trains, or at once if none does."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._worker: int | None = None
        self._waiting: list[tuple[Callable[[], Any], Future]] = []

    @contextmanager
    def working(self):
        """Steps are done in here, and `serve` is called between them."""
        with self._lock:
            self._worker = threading.get_ident()
        try:
            yield
        finally:
            with self._lock:
                self._worker = None
                self.serve()

    def serve(self) -> None:
        """Answer all that is waiting."""
        if not self._waiting:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for ask, future in waiting:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)

    def soon(self, ask: Callable[[], Any]) -> Future:
        """A promise of what `ask()` returns; nobody waits."""
        future: Future = Future()
        with self._lock:
            self._waiting.append((ask, future))
            if self._worker in (None, threading.get_ident()):
                self.serve()
        return future

    def now(self, ask: Callable[[], Any]) -> Any:
        """What `ask()` returns, or raises."""
        return self.soon(ask).result()
