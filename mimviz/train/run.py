"""A training in a thread of its own, that can be watched, paused, rewound and trusted."""

from __future__ import annotations

import atexit
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from .guards import Warned
from .history import History
from .keeping import Keeper
from .loop import Loop, Step, warn
from .rest import Rest

RUNNING = "running"


@dataclass(frozen=True)
class Event:
    """kind: "step", "state", "lr", "moment" or "warning"; step: what has just been done, of a "step"."""

    kind: str
    step: Step | None = None


class Run:
    """`Run(model, batches, steps=…)`: the training of `fit` in a daemon thread.

    watch: pictures whose reconstructions and maps are to be seen while it trains, see `TrainingMonitor`.
    folder: where its moments are kept; one that holds a run is gone on with. Without one, a temporary folder, gone with the kernel.
    budget: bytes for kept moments; older ones are thinned out evenly. every: steps between two moments (a hundredth of the run).
    share: how much of the training's time may go into keeping moments and looking after layers, 0..1.
    settings: `steps`, `lr`, `seed` and the other keywords of `fit`, but for those about checkpoints.

    `start()`, `pause()`, `resume()` and `stop()` return at once and are obeyed between two steps; `wait()` blocks until the run
    rests. `run.state` is "new", "running", "paused", "stopped", "failed" or "finished", and `run.message` says it in a sentence.
    `run.lr = …` sets the peak of the schedule from the next step on, and is remembered. `run.history` holds the curves,
    `run.at(step)` is a copy of the model at a kept moment, `run.branch(step)` a new run from there. While it trains, look at such
    copies, not at the model itself; and torch has one generator of random numbers for all: drawing from it elsewhere meanwhile
    disturbs a step's own.
    """

    def __init__(
        self,
        model: nn.Module | None,
        batches: Iterable | None,
        *,
        watch: Any = (),
        folder: str | Path | None = None,
        budget: float = 2**30,
        every: int | None = None,
        share: float = 0.02,
        name: str = "",
        **settings: Any,
    ):
        self.model, self.batches, self.settings = model, batches, settings
        self.watch = list(watch) if isinstance(watch, (list, tuple)) else [watch]
        self.loop = (
            Loop(model, batches, tell=self._warned, **settings) if model is not None and batches is not None else None
        )
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="mimviz-run-", ignore_cleanup_errors=True)
            folder = self._temporary.name
        self.keeper = Keeper(folder, int(budget), share=share, every=every, steps=settings.get("steps", 200))
        self.name = name or Path(folder).name
        self.history = History()
        self.warnings: list[Warned] = []
        self.error: BaseException | None = None
        self.state, self.message = "new", "Not started yet."
        self._rest = Rest()
        self._wish = "paused"
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._followers: list[Callable[[], Callable[[Event], None] | None]] = []
        self._told = 0
        if newest := self.keeper.moments.newest:
            self._take_up(newest.path)
        _runs.add(self)

    # --- what a person does ---

    def start(self) -> Run:
        """Train on, from where the run stands; a run that trains or is finished is left alone. Returns the run.

        Raises ValueError for a run that was opened without a model or batches."""
        loop = self._whole_loop()
        with self._lock:
            if self.state in (RUNNING, "finished") and not (self.state == RUNNING and self._wish != RUNNING):
                return self
            self._wish, before = RUNNING, self._thread
            self._thread = threading.Thread(
                target=self._work, args=(loop, before), name=f"mimviz-run {self.name}", daemon=True
            )
            self.error = None
            self._enter(RUNNING, f"Training, from step {loop.done}.")
            self._thread.start()
        return self

    def resume(self) -> Run:
        """The same as `start`."""
        return self.start()

    def pause(self) -> Run:
        """Rest after the step that is running. Returns the run."""
        return self._end("paused")

    def stop(self) -> Run:
        """End after the step that is running; `resume` would still go on. Returns the run."""
        return self._end("stopped")

    def wait(self, timeout: float | None = None) -> Run:
        """Block until the run rests; False … raises what ended it, TimeoutError after `timeout` seconds.

        Ctrl-C, or the interrupt of a notebook's kernel, stops the run, keeps it and is raised on."""
        try:
            thread = self._thread
            if thread is not None:
                thread.join(timeout)
                if thread.is_alive():
                    raise TimeoutError(
                        f"{self.name} still trains after {timeout} s, at step {len(self.history)} of {self.steps}"
                    )
        except KeyboardInterrupt:
            self.stop()
            if self._thread is not None:
                self._thread.join()
            print(self.message)
            raise
        for warned in self.warnings[self._told :]:
            self._told += 1
            warn(warned)
        if self.error is not None:
            raise self.error
        return self

    @property
    def lr(self) -> float:
        """Peak of the learning rate's schedule, as it is wanted from the next step on."""
        return self.loop.peak if self.loop else self.keeper.peak

    @lr.setter
    def lr(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"lr is {value}, but a positive learning rate is wanted")
        loop = self._whole_loop()

        def change() -> None:
            loop.changes[loop.done] = float(value)
            self.keeper.settle(self.settings, loop.changes, self.name)
            self._emit(Event("lr"))

        self._rest.soon(change)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.settings.get("steps", 200)

    @property
    def folder(self) -> Path:
        """Where the moments are kept."""
        return self.keeper.moments.folder

    @property
    def moments(self):
        """The kept moments, see `mimviz.train.moments`."""
        return self.keeper.moments

    def follow(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have `callback` told of every `Event`, in the training's thread: be quick. Bound methods are held weakly.

        Returns what ends it."""
        held = weakref.WeakMethod(callback) if hasattr(callback, "__self__") else lambda: callback
        self._followers.append(held)
        return lambda: self._followers.remove(held) if held in self._followers else None

    def at_rest(self, ask: Callable[[], Any]) -> Any:
        """What `ask()` returns, called between two steps; waits for the running one to end."""
        return self._rest.now(ask)

    def at(self, step: int | None = None) -> nn.Module:
        """A copy of the model, in eval mode: as it was at a kept moment, or as it is now. ValueError where nothing was kept."""
        loop = self._whole_loop()
        copy = self.at_rest(lambda: deepcopy(loop.model)).eval()
        if step is not None:
            copy.load_state_dict(self.moments.weights(step))
        return copy

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.state} after {len(self.history)} of {self.steps} steps)"

    # --- inside ---

    def _whole_loop(self) -> Loop:
        if self.loop is None:
            raise ValueError(f"{self.name} was opened without a model or batches: Run.open(folder, model, batches)")
        return self.loop

    def _end(self, wish: str) -> Run:
        with self._lock:
            if self.state == RUNNING:
                self._wish = wish
            elif wish == "stopped" and self.state == "paused":
                self._enter(wish, self.message)
        return self

    def _work(self, loop: Loop, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()
        try:
            with self._rest.working():
                self._recover(loop)
                self.keeper.begin(loop, self.history, self.settings, self.name)
                with loop.training():
                    while loop.done < loop.steps and self._wish == RUNNING:
                        self._took(loop, loop.step(examine=self.keeper.curious(loop.done)))
                        self._rest.serve()
                self.keeper.keep(loop, self.history)
            state = "finished" if loop.done >= loop.steps else self._wish
            self._enter(state, f"{state.capitalize()} after step {loop.done} of {loop.steps}. {self.keeper.kept()}")
        except BaseException as error:
            self._failed(loop, error)

    def _took(self, loop: Loop, step: Step) -> None:
        self.history.add(step)
        if self.keeper.after(loop, step, self.history):
            self._emit(Event("moment"))
        self._emit(Event("step", step))

    def _recover(self, loop: Loop) -> None:
        """Weights that an interrupt left half updated are given up for the newest moment that is whole."""
        if loop.whole:
            return
        newest = self.keeper.moments.newest
        if newest is None:
            raise RuntimeError(
                "a step was interrupted halfway and no moment is kept to go back to: make model and run anew"
            )
        loop.load(newest.path)
        self.history = self.history.cut(loop.done)
        self.moments.forget_after(loop.done)

    def _failed(self, loop: Loop, error: BaseException) -> None:
        self.error = error
        if loop.whole:
            loop.optimizer.zero_grad(set_to_none=True)  # after a lack of memory, gradients are what can be spared
            with suppress(Exception):
                self.keeper.keep(loop, self.history)
        what = "Interrupted" if isinstance(error, KeyboardInterrupt) else f"Failed ({type(error).__name__}: {error})"
        halfway = "" if loop.whole else " The step was left halfway: resume() goes back to what was kept."
        self._enter("failed", f"{what} after step {loop.done} of {loop.steps}. {self.keeper.kept()}{halfway}")

    def _enter(self, state: str, message: str) -> None:
        self.state, self.message = state, message
        self._emit(Event("state"))

    def _warned(self, warned: Warned) -> None:
        self.warnings.append(warned)
        self._emit(Event("warning"))

    def _emit(self, event: Event) -> None:
        for held in list(self._followers):
            callback = held()
            if callback is None:
                self._followers.remove(held)
                continue
            try:
                callback(event)
            except Exception as error:  # a follower's mistake is shown where Python shows errors of threads
                shown = (type(error), error, error.__traceback__, threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(shown))

    def _take_up(self, path: Path) -> None:
        """The folder holds a run already: stand where it stood."""
        self.history = self.keeper.moments.history()
        if self.loop is not None:
            self.loop.changes = self.keeper.changes()
            self.loop.load(path)
        done = len(self.history)
        self.state = "finished" if done >= self.steps else "stopped"
        self.message = f"Opened at step {done} of {self.steps}. {self.keeper.kept()}"


_runs: weakref.WeakSet[Run] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """When the interpreter goes, runs are kept: a thread inside torch could crash it, so each gets a while to end its step."""
    going = [run for run in list(_runs) if run.state == RUNNING]
    for run in going:
        run.stop()
    for run in going:
        if run._thread is not None:
            run._thread.join(10)
