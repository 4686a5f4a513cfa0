"""What is known of each training of a data-scaling study, in memory or in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

WORSE = 1.02  # of its best: from here on a held-out loss has turned up


@dataclass(frozen=True)
class Trained:
    """One training: losses of training and held-out pictures under fixed masks after the steps `at`; accuracy: of a linear probe on
    the finished encoder, None until then."""

    pictures: int
    width: int
    steps: int
    at: tuple[int, ...] = ()
    train: tuple[float, ...] = ()
    held: tuple[float, ...] = ()
    accuracy: float | None = None

    @property
    def overfits(self) -> bool:
        """The last held-out loss is above 1.02 of the best one, and the training pictures' has fallen since."""
        best = min(range(len(self.held)), key=self.held.__getitem__, default=0)
        return bool(self.held) and self.held[-1] > WORSE * self.held[best] and self.train[-1] < self.train[best]

    def further(self, step: int, train: float, held: float) -> Trained:
        """With one more measurement; later ones, of steps that are done over, are forgotten."""
        at = sum(each < step for each in self.at)
        add = {"at": step, "train": train, "held": held}
        return replace(self, **{name: (*getattr(self, name)[:at], value) for name, value in add.items()})

    @property
    def name(self) -> str:
        return f"{self.pictures}-pictures-width-{self.width}-{self.steps}-steps"


@dataclass(frozen=True)
class Trainings:
    """Keeps trainings by their settings; `facts`: what else must be the same for one in `folder` to be gone on with."""

    folder: Path | None
    facts: dict[str, Any]
    _memory: dict[str, Trained] = field(default_factory=dict)

    def known(self, cell: Trained) -> Trained:
        """What is kept of this training, or the cell itself. ValueError where it was begun with other settings or pictures."""
        path = self.file(cell, "json")
        if cell.name in self._memory or path is None or not path.exists():
            return self._memory.get(cell.name, cell)
        told = json.loads(path.read_text("utf-8"))
        if other := [name for name in self.facts if told["facts"].get(name) != self.facts[name]]:
            raise ValueError(
                f"{path} was begun with another {', '.join(other)}: take another folder, or the same settings"
            )
        found = Trained(**{k: tuple(v) if isinstance(v, list) else v for k, v in told["trained"].items()})  # type: ignore[arg-type]
        self._memory[cell.name] = found
        return found

    def keep(self, trained: Trained) -> None:
        self._memory[trained.name] = trained
        if path := self.file(trained, "json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_text(json.dumps({"facts": self.facts, "trained": asdict(trained)}), "utf-8")
            part.replace(path)

    def file(self, cell: Trained, kind: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{cell.name}.{kind}"


def print_of(images: Tensor) -> str:
    """A short name for just these pictures."""
    return hashlib.blake2b(images.cpu().contiguous().numpy().tobytes(), digest_size=8).hexdigest()
