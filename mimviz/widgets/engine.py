"""The engine behind every widget: one worker thread that answers the newest question and forgets the older ones."""

from __future__ import annotations

import atexit
import ctypes
import platform
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # malloc.h


@dataclass(frozen=True)
class Answer:
    """What became of one job."""

    job: Callable[[Turn], Any]
    """The question, as it was asked."""
    value: Any = None
    """What the job returned, or shared on the way."""
    error: BaseException | None = None
    """What it raised instead."""
    ms: float = 0.0
    """Milliseconds since the job began, with the device's work finished."""
    final: bool = True
    """False for what a job shared while it was still running."""


class Turn:
    """Handed to a running job, so that it can give up early or show how far it is."""

    def __init__(self, engine: Engine, number: int, job: Callable[[Turn], Any]):
        self._engine, self._number, self._job = engine, number, job
        self._start = _now()

    def stale(self) -> bool:
        """True as soon as somebody asked something newer, or the engine was closed."""
        return self._engine.closed or self._engine.events > self._number

    def share(self, value: Any) -> None:
        """Deliver a partial result; the job goes on."""
        self._engine._deliver(Answer(self._job, value, ms=self.ms(), final=False))

    def ms(self) -> float:
        """Milliseconds so far, with the device's work finished."""
        return (_now() - self._start) * 1000


class Engine:
    """Runs jobs in a thread of its own; *latest wins*.

    `ask(job)` returns at once. A job waits while another runs, and a newer job takes the place of a waiting one, so
    nothing queues. A job is called with a `Turn`; what it returns, or raises, is given to `deliver` as an `Answer`, in
    the worker thread and in order. A job that found itself stale may return None: nothing is delivered then.

    `deliver` is a bound method and held weakly: the engine never keeps its widget alive, and closes itself when the
    widget is gone. The thread is a daemon, starts with the first job and ends after `idle` seconds without one.
    """

    def __init__(self, deliver: Callable[[Answer], None], *, idle: float = 10.0):
        self.idle = idle
        self.events = 0  # questions asked
        self.runs = 0  # jobs started
        self.closed = False
        self._change = threading.Condition()  # its lock is re-entrant: a garbage collection may call close() anywhere
        self._waiting: tuple[int, Callable[[Turn], Any]] | None = None
        self._running = False
        self._thread: threading.Thread | None = None
        me = weakref.ref(self)
        self._receiver = weakref.WeakMethod(deliver, lambda _: (engine := me()) and engine.close())
        _engines.add(self)

    def ask(self, job: Callable[[Turn], Any]) -> int:
        """Have `job` run as soon as possible; the number of the question. RuntimeError when the engine is closed."""
        with self._change:
            if self.closed:
                raise RuntimeError("this engine is closed: its widget was closed. Make a new widget")
            self.events += 1
            self._waiting = (self.events, job)
            if self._thread is None:
                _keep_memory()
                self._thread = threading.Thread(target=self._work, name="mimviz-engine", daemon=True)
                self._thread.start()
            self._change.notify_all()
            return self.events

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the newest question is answered: True. False after `timeout` seconds, or once closed."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("wait() inside an answer would wait for itself: call it from another thread")
        with self._change:
            settled = self._change.wait_for(lambda: self.closed or not (self._waiting or self._running), timeout)
            return settled and not self.closed

    def close(self) -> None:
        """Drop the waiting job and let the thread end; a running job is not answered. A second call does nothing."""
        with self._change:
            self.closed = True
            self._waiting = None
            self._change.notify_all()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._run(*task)
            finally:
                del task  # the thread must not keep the last job, and with it a model, alive
                with self._change:
                    self._running = False
                    self._change.notify_all()

    def _next(self) -> tuple[int, Callable[[Turn], Any]] | None:
        with self._change:
            self._change.wait_for(lambda: self.closed or self._waiting, self.idle)
            task, self._waiting = self._waiting, None
            if task is None:
                self._thread = None  # decided under the lock: the next ask() starts a new thread
            else:
                self._running = True
                self.runs += 1
            return task

    def _run(self, number: int, job: Callable[[Turn], Any]) -> None:
        turn = Turn(self, number, job)
        try:
            value = job(turn)
        except BaseException as error:  # also KeyboardInterrupt: the widget says it, the thread lives on
            self._deliver(Answer(job, error=error, ms=turn.ms()))
        else:
            if value is not None:
                self._deliver(Answer(job, value, ms=turn.ms()))

    def _deliver(self, answer: Answer) -> None:
        receiver = self._receiver()
        if receiver is None or self.closed:
            return
        try:
            receiver(answer)
        except Exception as error:
            # Raised by the widget or by a user's observer: show it where Python shows errors of threads, and go on.
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread)))


@cache
def _keep_memory() -> None:
    """Let glibc keep the memory of one pass for the next, and threads share one heap.

    Otherwise each pass in a thread gives its memory back and faults it in again, page by page: outside a notebook the
    bundled model took 33 to 37 ms in a thread without this, and 16 to 33 with it, on a noisy machine. At most 128 MB stay
    reserved. Other C libraries are left alone.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, 128 << 20), (M_MMAP_THRESHOLD, 32 << 20)):
        mallopt(option, value)


def _now() -> float:
    """Seconds, after the GPU has finished what was asked of it."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """A thread that is inside torch when the interpreter goes can crash it: give each job two seconds to end."""
    threads = [engine._thread for engine in list(_engines) if engine._thread is not None]
    for engine in list(_engines):
        engine.close()
    for thread in threads:
        thread.join(2)
