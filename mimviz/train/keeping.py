"""What a run keeps of itself: settings, moments, the health of its layers, all within a share of the time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .checkpoint import publish
from .history import History
from .loop import Loop, Step
from .moments import Moments
from .pace import Pace

SETTINGS = "run.json"
HEAD = 0.1  # seconds for the first light moments, so that a short training has some, too


class Keeper:
    """Writes moments of a Loop into a folder; see `Run` for `budget`, `every` and `share`."""

    def __init__(self, folder: str | Path, budget: int, *, share: float, every: int | None, steps: int):
        if budget <= 0 or (every is not None and every < 1):
            raise ValueError(f"budget is {budget} bytes and every is {every} steps, but both must be positive")
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}, but a share of the time from 0 to 1 is wanted")
        self.moments, self.share = Moments(folder, budget), share
        self.every = every or max(1, steps // 100)
        self._exact, self._light, self._health = (
            Pace(0.35 * share),
            Pace(0.45 * share, head=HEAD * bool(share)),
            Pace(0.2 * share),
        )
        if share == 1:
            self._exact = self._light = self._health = Pace(1)

    def begin(self, loop: Loop, history: History, settings: dict[str, Any], name: str) -> None:
        """Settings and the first moment, if they are not there yet."""
        self.moments.folder.mkdir(parents=True, exist_ok=True)
        if not (self.moments.folder / SETTINGS).exists():
            self.settle(settings, loop.changes, name)
        if self.moments.newest is None:
            pace = Pace(1)
            with pace.timed():
                self.keep(loop, history)
            self._exact.cost, self._light.cost = 3 * pace.cost, pace.cost  # the optimizer has no memory yet

    def settle(self, settings: dict[str, Any], changes: dict[int, float], name: str) -> None:
        """Settings and changed learning rates, in a file of their own: a run that ends in a crash repeats them too."""
        path = self.moments.folder / SETTINGS
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        told = {"mimviz-run": 1, "name": name, "every": self.every, "settings": settings, "changes": changes}
        part.write_text(json.dumps(told, indent=1), encoding="utf-8")
        publish(part, path)

    def changes(self) -> dict[int, float]:
        return {int(step): float(lr) for step, lr in read(self.moments.folder)["changes"].items()}

    @property
    def peak(self) -> float:
        """The learning rate's peak, as it was last set."""
        told = read(self.moments.folder)
        changes = {int(step): lr for step, lr in told["changes"].items()}
        return changes[max(changes)] if changes else told["settings"].get("lr", 1e-3)

    def curious(self, index: int) -> bool:
        """Whether the step is to be looked into."""
        return index == 0 or self._health.due()

    def after(self, loop: Loop, step: Step, history: History) -> bool:
        """After a step: keeps what is due. Whether a moment was kept."""
        for pace in {self._exact, self._light, self._health}:
            pace.tick(step.seconds)
        if step.health is not None:
            self._health.count(loop.examined)
        if loop.done % self.every or loop.done >= loop.steps:
            return False
        if self._exact.due():
            with self._exact.timed():
                self.keep(loop, history)
        elif self._light.due():
            with self._light.timed():
                self.moments.sketch(loop.done, loop.model.state_dict())
        else:
            return False
        return True

    def keep(self, loop: Loop, history: History) -> None:
        """An exact moment, unless it is there."""
        newest = self.moments.newest
        if newest is None or newest.step != loop.done:
            self.moments.keep(loop.done, lambda path: loop.save(path, **history.tensors()))

    def kept(self) -> str:
        """What can be gone back to, in words."""
        newest, count = self.moments.newest, len(self.moments)
        if newest is None:
            return "Nothing could be kept."
        more = f", and {count - 1} earlier moment{'s' * (count > 2)}" if count > 1 else ""
        return (
            f"Kept: all of it at step {newest.step}{more} ({self.moments.bytes / 1e6:.1f} MB) in {self.moments.folder}."
        )


def read(folder: Path) -> dict[str, Any]:
    """What a Keeper settled; ValueError where there is none."""
    try:
        told = json.loads((folder / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder} holds no run of mimviz ({err})") from err
    if not isinstance(told, dict) or told.get("mimviz-run") != 1:
        raise ValueError(f"{folder / SETTINGS} is no file of a run of mimviz")
    return told
