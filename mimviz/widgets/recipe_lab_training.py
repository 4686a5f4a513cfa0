"""Training inside a widget: the traits, the buttons and their names for scripts. The work is done by `recipe_lab_bench`."""

from __future__ import annotations

from typing import Any

import traitlets as t

from .painted import Painted
from .recipe_lab_bench import Bench


class TrainedHere(Painted):
    """A painted widget whose bench can be trained.

    Training shares the worker with all questions and gives way to them between two steps: what is shown is always the model itself,
    and a hand that paints waits for one step at most.
    """

    training = t.Bool(False).tag(sync=True)
    steps = t.Int(60, min=1, max=100_000).tag(sync=True)
    """Of one training."""
    lr = t.Float(1e-3, min=0).tag(sync=True)
    trained_on = t.Unicode().tag(sync=True)
    """What a training would see, in words."""
    command = t.Dict().tag(sync=True)
    """{"do": "stop" | "fresh", "count"}: what a button of the browser wants."""
    curves = t.Dict().tag(sync=True)
    """{losses, pace, steps}: the loss of every step of every side."""

    _bench: Bench

    @property
    def losses(self) -> list[list[float]]:
        """The loss of every step trained here, for each side."""
        return [list(side.losses) for side in self._bench.sides if side is not None]

    def train(self, steps: int | None = None, *, lr: float | None = None) -> None:
        """Train every side for `steps`, or go on with what was paused. Returns at once; wait() waits for the end."""
        with self.together():
            self.steps, self.lr = steps or self.steps, lr or self.lr
            self.training = True

    def pause(self) -> None:
        """Rest after the step that is running; train() goes on."""
        self.training = False

    def stop(self) -> None:
        """End the schedule and keep the weights; train() begins another."""
        self.command = {"do": "stop", "count": self.command.get("count", 0) + 1}

    def fresh(self) -> None:
        """Back to the weights of the beginning."""
        self.command = {"do": "fresh", "count": self.command.get("count", 0) + 1}

    @t.observe("command")
    def _command(self, change: Any) -> None:
        do = self.command.get("do")
        if self._picture is None or do not in ("stop", "fresh"):
            return
        with self.together():
            self.training = False
            self._ask(do)

    def _ask(self, do: str = "") -> None:
        raise NotImplementedError
