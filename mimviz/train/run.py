"""A training in a thread of its own, that can be watched, paused, rewound and trusted."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from .branching import beside, copied, rewound
from .driver import RUNNING, Driver
from .followers import Event, Followers
from .guards import Warned
from .history import History
from .keeping import Keeper, read
from .loop import Loop, warn
from .moments import Moments


class Run:
    """`Run(model, batches, steps=…)`: the training of `fit` in a daemon thread.

    watch: pictures whose reconstructions and maps are to be seen while it trains, see `TrainingMonitor`.
    folder: where its moments are kept; one that holds a run is gone on with. Without one, a temporary folder, gone with the kernel.
    budget: bytes for kept moments; older ones are thinned out evenly. every: steps between two moments (a hundredth of the run).
    share: how much of the training's time may go into keeping moments and looking after layers, 0..1.
    validation: pictures that it is tested on as it goes, and that must not be among the training's, see `fit`.
    settings: `steps`, `lr`, `seed`, `validate_every` and the other keywords of `fit`, but for those about checkpoints.

    `start()`, `pause()`, `resume()` and `stop()` return at once and are obeyed between two steps; `wait()` blocks until the run
    rests. `run.state` is "new", "running", "paused", "stopped", "failed" or "finished", and `run.message` says it in a sentence.
    `run.lr = …` sets the peak of the schedule from the next step on, and is remembered. `run.history` holds the curves,
    `run.at(step)` is a copy of the model at a kept moment, `run.branch(step)` a new run from there. While it trains, look at such
    copies, not at the model itself.

    Same seed, same machine, same numbers, however often it rests: each step seeds torch's generator anew, by `seed` and its number.
    The process has only one such generator, though, and a model's dropout can draw from no other. So this holds as long as no other
    thread draws from it *while* a step runs: widgets, lenses and judges of mimviz wait their turn. Draw with a generator of your
    own, or between two steps, as a new model that is made meanwhile does: `run.at_rest(lambda: mimviz.encoder(…))`.
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
        share: float = 0.012,
        name: str = "",
        validation: Any = None,
        **settings: Any,
    ):
        self.settings = settings
        self.watch = list(watch) if isinstance(watch, (list, tuple)) else [watch]
        self.warnings: list[Warned] = []
        self._followers, self._told, self._temporary = Followers(), 0, None
        trained = model is not None and batches is not None
        self.loop = Loop(model, batches, validation=validation, tell=self._warned, **settings) if trained else None  # pyright: ignore
        self.model = model
        if folder is None:
            folder = tempfile.mkdtemp(prefix="mimviz-run-")
            self._temporary = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.keeper = Keeper(folder, int(budget), share=share, every=every, steps=self.steps)
        self.name = name or Path(folder).name
        self._driver = Driver(self.loop, self.keeper, self._followers, settings, self.name)
        if newest := self.moments.newest:
            self._take_up(newest.path)
        _runs.add(self)

    @classmethod
    def open(
        cls, folder: str | Path, model: nn.Module | None = None, batches: Iterable | None = None, **options: Any
    ) -> Run:
        """The run that is kept in `folder`, e.g. after a restart of the kernel: `resume()` goes on to the same numbers.

        Without the model and batches that it was begun with, there are its curves and moments to look at. `options`: watch, budget,
        share, validation. Raises ValueError where `folder` holds no run, or that of another model."""
        told = read(Path(folder))
        return cls(
            model,
            batches,
            folder=folder,
            **{"name": told["name"], "every": told["every"], **options},
            **told["settings"],
        )

    # --- what a person does ---

    def start(self) -> Run:
        """Train on, from where the run stands; a run that trains or is finished is left alone. Returns the run.

        Raises ValueError for a run that was opened without a model or batches."""
        self._driver.start()
        return self

    def resume(self) -> Run:
        """The same as `start`."""
        return self.start()

    def pause(self) -> Run:
        """Rest after the step that is running. Returns the run."""
        self._driver.end("paused")
        return self

    def stop(self) -> Run:
        """End after the step that is running; `resume` would still go on. Returns the run."""
        self._driver.end("stopped")
        return self

    def wait(self, timeout: float | None = None) -> Run:
        """Block until the run rests; raises what ended it, and TimeoutError after `timeout` seconds. Returns the run.

        Ctrl-C, or the interrupt of a notebook's kernel, stops the run, keeps it, says so and is raised on."""
        try:
            if not self._driver.join(timeout):
                raise TimeoutError(
                    f"{self.name} still trains after {timeout} s, at step {len(self.history)} of {self.steps}"
                )
        except KeyboardInterrupt:
            self.stop()
            self._driver.join()
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
        """Peak of the learning rate's schedule, as it was last set."""
        return self.loop.peak if self.loop else self.keeper.peak

    @lr.setter
    def lr(self, value: float) -> None:
        if not value > 0:
            raise ValueError(f"lr is {value}, but a positive learning rate is wanted")
        loop = self._driver.whole

        def change() -> None:
            loop.changes[loop.done] = float(value)
            self.keeper.settle(self.settings, loop.changes, self.name)
            self._followers.tell(Event("lr"))

        told = self._driver.rest.soon(change)
        if told.done():
            told.result()

    def follow(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have `callback` told of every `Event`, in the training's thread: be quick. Bound methods are held weakly.

        Returns what ends it."""
        return self._followers.add(callback)

    def at_rest(self, ask: Callable[[], Any]) -> Any:
        """What `ask()` returns, called between two steps; waits for the running one to end."""
        return self._driver.rest.now(ask)

    def at(self, step: int | None = None) -> nn.Module:
        """A copy of the model, in eval mode: as it was at a kept moment, or as it is now. ValueError where nothing was kept."""
        model = self.model
        if model is None:
            raise ValueError(
                f"{self.name} was opened without a model: Run.open(folder, model) shows what it looked like"
            )
        copy = self.at_rest(lambda: copied(model))
        if step is not None:
            copy.load_state_dict(self.moments.weights(step))
        return copy

    def branch(self, step: int, *, folder: str | Path | None = None, name: str = "", **changed: Any) -> Run:
        """A new Run that begins as this one was after `step`: the same model (copied), batches and settings but for `changed`.

        From an exact moment it stands there at once; from any other step, those between are done over first, to the same numbers.
        `lr` is changed for the steps to come. Raises ValueError for a step that was not done, or that cannot be repeated."""
        loop, done = self._driver.whole, len(self.history)
        if not 0 <= step <= done or "scales" in changed:
            wish = "scales stay as they are" if "scales" in changed else f"steps 0 to {done} are done"
            raise ValueError(f"branch({', '.join([str(step), *changed])}) is not possible: {wish}")
        lr, name = changed.pop("lr", None), name or f"{self.name}-from-{step}"
        back = rewound(self.at(), loop.batches, self.settings, {**loop.changes}, self.moments, step)
        if folder is None and not self._temporary:
            folder = beside(self.folder, name)
        options = {
            "budget": self.moments.budget,
            "every": self.keeper.every,
            "share": self.keeper.share,
            "watch": self.watch,
            "validation": loop.validation,
        }
        run = Run(back.model, loop.batches, folder=folder, name=name, **options, **{**self.settings, **changed})
        run._begin_as(back, self.history.cut(step), lr)
        return run

    # --- what is known ---

    @property
    def state(self) -> str:
        """ "new", "running", "paused", "stopped", "failed" or "finished"."""
        return self._driver.state

    @property
    def message(self) -> str:
        """The state in a sentence, and what was kept."""
        return self._driver.message

    @property
    def error(self) -> BaseException | None:
        """What ended a run that failed."""
        return self._driver.error

    @property
    def history(self) -> History:
        """The curves."""
        return self._driver.history

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.settings.get("steps", 200)

    @property
    def folder(self) -> Path:
        """Where the moments are kept."""
        return self.moments.folder

    @property
    def moments(self) -> Moments:
        """The kept moments: iterate over them for `.step` and `.exact`."""
        return self.keeper.moments

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.state} after {len(self.history)} of {self.steps} steps)"

    # --- inside ---

    def _warned(self, warned: Warned) -> None:
        self.warnings.append(warned)
        self._followers.tell(Event("warning"))

    def _begin_as(self, other: Loop, history: History, lr: float | None) -> None:
        """A branch: stand where another training stands."""
        loop = self._driver.whole
        loop.stand_as(other)
        if lr is not None:
            loop.changes[loop.done] = lr
        self.keeper.begin(loop, history, self.settings, self.name)
        self._driver.stand(history, "new", "Branched off")

    def _take_up(self, path: Path) -> None:
        """The folder holds a run already: stand where it stood."""
        if self.loop is not None:
            self.loop.changes = self.keeper.changes()
            self.loop.load(path)
        history = self.moments.history()
        self._driver.stand(history, "finished" if len(history) >= self.steps else "stopped", "Opened")


_runs: weakref.WeakSet[Run] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """When the interpreter goes, runs are kept: a thread inside torch could crash it, so each gets a while to end its step."""
    going = [run.stop() for run in list(_runs) if run.state == RUNNING]
    for run in going:
        run._driver.join(10)
