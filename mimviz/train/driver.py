"""The thread that trains: it starts, rests, goes back to what is whole after an interrupt, and says what was kept."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .followers import Event, Followers
from .history import History
from .keeping import Keeper
from .loop import Loop, Step
from .rest import Rest

RUNNING = "running"


class Driver:
    """Drives `loop` in a daemon thread as `start` and `end` wish; obeyed between two steps. See `Run` for the states."""

    def __init__(self, loop: Loop | None, keeper: Keeper, followers: Followers, settings: dict[str, Any], name: str):
        self.loop, self.keeper, self.followers, self.settings, self.name = loop, keeper, followers, settings, name
        self.history, self.rest = History(), Rest()
        self.state, self.message = "new", "Not started yet."
        self.error: BaseException | None = None
        self.thread: threading.Thread | None = None
        self._resting = threading.Event()  # not thread.join(), which an interrupt ends for good before Python 3.13
        self._resting.set()
        self._wish = "paused"
        self._lock = threading.RLock()

    @property
    def whole(self) -> Loop:
        """The training; ValueError where the run was opened to be looked at only."""
        if self.loop is None:
            raise ValueError(f"{self.name} was opened without a model or batches: Run.open(folder, model, batches)")
        return self.loop

    def start(self) -> None:
        loop = self.whole
        with self._lock:
            if self.state == "finished" or (self.state == RUNNING and self._wish == RUNNING):
                return
            self._wish, before, self._resting = RUNNING, self._resting, threading.Event()
            self.thread = threading.Thread(
                target=self._drive, args=(loop, before, self._resting), name=f"mimviz-run {self.name}", daemon=True
            )
            self.error = None
            self.enter(RUNNING, f"Training, from step {loop.done}.")
            self.thread.start()

    def end(self, wish: str) -> None:
        with self._lock:
            if self.state == RUNNING:
                self._wish = wish
            elif wish == "stopped" and self.state == "paused":
                self.enter(wish, self.message.replace("Paused", "Stopped", 1))

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the thread is at its end; False after `timeout` seconds."""
        return self._resting.wait(timeout)

    def enter(self, state: str, message: str) -> None:
        self.state, self.message = state, message
        self.followers.tell(Event("state"))

    def stand(self, history: History, state: str, words: str) -> None:
        """Where a run that was kept, or is a branch, begins."""
        self.history, self.state = history, state
        self.message = f"{words} at step {len(history)} of {self.settings.get('steps', 200)}. {self.keeper.kept()}"

    # --- in the thread ---

    def _drive(self, loop: Loop, before: threading.Event, resting: threading.Event) -> None:
        try:
            before.wait()
            self._work(loop)
        except BaseException as error:
            self._failed(loop, error)
        finally:
            resting.set()

    def _work(self, loop: Loop) -> None:
        with self.rest.working():
            self._recover(loop)
            self.keeper.begin(loop, self.history, self.settings, self.name)
            with loop.training():
                self._validate(loop)  # where a pause came before it
                while loop.done < loop.steps and self._wish == RUNNING:
                    self._took(loop, loop.step(examine=self.keeper.curious(loop.done)))
                    self.rest.serve()
            self.keeper.keep(loop, self.history)
        self._ended(loop)

    def _took(self, loop: Loop, step: Step) -> None:
        self.history.add(step)
        self._validate(loop)
        step = replace(step, validation=self.history.validation.get(step.index))
        if self.keeper.after(loop, step, self.history):
            self.followers.tell(Event("moment"))
        self.followers.tell(Event("step", step))

    def _validate(self, loop: Loop) -> None:
        """A point of the validation curve where one is due; given up for a pause, but at the end, and made up for afterwards."""
        if loop.done in self.history.validation:
            return
        found = loop.validate(lambda: self._wish == RUNNING or loop.done >= loop.steps)
        if found is not None:
            self.history.tested(loop.done, found)
            self.followers.tell(Event("validation"))

    def _ended(self, loop: Loop) -> None:
        with self._lock:
            state = "finished" if loop.done >= loop.steps else self._wish
            if state == RUNNING:
                return  # somebody wished to go on while this thread was at its end: the next one is waiting for it
            self.enter(state, f"{state.capitalize()} after step {loop.done} of {loop.steps}. {self.keeper.kept()}")

    def _recover(self, loop: Loop) -> None:
        """Weights that an interrupt left half updated are given up for the newest moment that is whole."""
        if self._is_whole(loop):
            return
        moments = self.keeper.moments
        moments.look()
        newest = moments.newest
        if newest is None:
            raise RuntimeError(
                "a step was interrupted halfway and no moment is kept to go back to: make model and run anew"
            )
        loop.load(newest.path)
        self.history = moments.history()
        moments.forget_after(loop.done)

    def _failed(self, loop: Loop, error: BaseException) -> None:
        self.error, whole = error, self._is_whole(loop)
        if whole:
            loop.optimizer.zero_grad(set_to_none=True)  # after a lack of memory, gradients are what can be spared
            with suppress(Exception):
                self.keeper.keep(loop, self.history)
        what = "Interrupted" if isinstance(error, KeyboardInterrupt) else f"Failed ({type(error).__name__}: {error})"
        halfway = "" if whole else " The step was left halfway: resume() goes back to what was kept."
        self.enter("failed", f"{what} after step {loop.done} of {loop.steps}. {self.keeper.kept()}{halfway}")

    def _is_whole(self, loop: Loop) -> bool:
        return loop.whole and self.history.full == loop.done
