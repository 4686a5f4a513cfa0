"""The moments of a run that are kept on disk, within a budget of bytes.

An *exact* moment holds weights, optimizer and history: a training goes on from it to the last bit. A *light* one holds how far each
weight is from where the run began, in 8 bits with a scale for each row: enough to look at, a twelfth of the bytes. The first and
the newest exact moment always stay; where the budget is spent, others become light, and light ones are thinned out evenly.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from .checkpoint import write
from .history import History

REMEMBERED = 64_000_000  # bytes of a first moment that need not be read each time
EXACT, LIGHT = ".exact.safetensors", ".light.safetensors"


@dataclass(frozen=True)
class Moment:
    """A run after `step` steps, as a file of `bytes`."""

    step: int
    exact: bool
    path: Path
    bytes: int


class Moments:
    """All that is kept in `folder`. Files are written whole or not at all, so that the folder itself is the list."""

    def __init__(self, folder: str | Path, budget: int):
        self.folder, self.budget = Path(folder), budget
        self._all: dict[int, Moment] = {}
        self._start: tuple[int, dict[str, Tensor]] | None = None
        self.look()

    def look(self) -> None:
        """Reads the folder anew."""
        self._all = {}
        for kind in (LIGHT, EXACT):
            for path in self.folder.glob(f"*{kind}"):
                self._add(int(path.name.removesuffix(kind)), kind, path)

    def __iter__(self):
        return iter(sorted(self._all.values(), key=lambda each: each.step))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self._all.values())

    @property
    def newest(self) -> Moment | None:
        """The newest exact one."""
        return max((each for each in self._all.values() if each.exact), key=lambda each: each.step, default=None)

    def exact_before(self, step: int) -> Moment | None:
        """The last exact one that is not after `step`."""
        found = [each for each in self if each.exact and each.step <= step]
        return found[-1] if found else None

    def keep(self, step: int, save: Callable[[Path], None]) -> None:
        """An exact moment, written by `save`; then as many others go as the budget demands."""
        path = self.folder / f"{step:08d}{EXACT}"
        save(path)
        self._add(step, EXACT, path)
        (self.folder / f"{step:08d}{LIGHT}").unlink(missing_ok=True)
        self._thin()

    def sketch(self, step: int, weights: dict[str, Tensor]) -> None:
        """A light moment."""
        if step in self._all:
            return
        path = self.folder / f"{step:08d}{LIGHT}"
        write(path, _lightened(weights, self._base()), {"mimviz-moment": json.dumps({"step": step})})
        self._add(step, LIGHT, path)
        self._thin()

    def forget_after(self, step: int) -> None:
        """Drops what came after `step`: a run that goes on from there makes it anew."""
        for moment in [each for each in self if each.step > step]:
            self._drop(moment)

    def weights(self, step: int) -> dict[str, Tensor]:
        """The state of the model at a kept moment; ValueError where there is none.

        Of a light one each weight is right within 1/254 of the farthest move in its row."""
        moment = self._all.get(step)
        if moment is None:
            kept = ", ".join(str(each.step) for each in self)
            raise ValueError(f"step {step} is not among the kept moments of {self.folder}: {kept or 'none yet'}")
        if moment.exact:
            return _read(moment.path, "model.")
        base, light = self._base(), _read(moment.path, "")
        return {name: _restored(name, value, light) for name, value in base.items()}

    def history(self) -> History:
        """As the newest exact moment tells it."""
        tensors = _read(self.newest.path, "") if self.newest else {}
        return History.of(tensors) if "history.loss" in tensors else History()

    # --- inside ---

    def _base(self) -> dict[str, Tensor]:
        first = next(iter(self))
        if self._start is None or self._start[0] != first.step:
            read = _read(first.path, "model.")
            if first.bytes > REMEMBERED:
                return read
            self._start = first.step, read
        return self._start[1]

    def _add(self, step: int, kind: str, path: Path) -> None:
        self._all[step] = Moment(step, kind == EXACT, path, path.stat().st_size)

    def _drop(self, moment: Moment) -> None:
        with suppress(OSError):
            moment.path.unlink(missing_ok=True)
        self._all.pop(moment.step, None)

    def _thin(self) -> None:
        while self.bytes > self.budget:
            all_of = list(self)
            fixed = {all_of[0].step, self.newest.step if self.newest else -1}
            exact = [each for each in all_of if each.exact and each.step not in fixed]
            light = [each for each in all_of if not each.exact]
            if exact and (not light or sum(each.bytes for each in all_of if each.exact) > self.budget / 2):
                self._lighten(_crowded([each for each in all_of if each.exact], exact))
            elif light:
                self._drop(_crowded(all_of, light))
            else:
                return  # the first and the newest need more than the budget: Run says so

    def _lighten(self, moment: Moment) -> None:
        weights = self.weights(moment.step)
        self._drop(moment)
        with suppress(OSError):  # a full disk: then it is gone
            self.sketch(moment.step, weights)


def _crowded(line: list[Moment], free: list[Moment]) -> Moment:
    """The one of `free` whose neighbours in `line` are nearest to each other; of several, the oldest."""
    steps = [each.step for each in line]

    def gap(moment: Moment) -> int:
        at = steps.index(moment.step)
        return steps[min(at + 1, len(steps) - 1)] - steps[max(at - 1, 0)]

    return min(free, key=gap)


def _read(path: Path, prefix: str) -> dict[str, Tensor]:
    with safe_open(str(path), framework="pt") as file:
        return {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118


def _lightened(weights: dict[str, Tensor], base: dict[str, Tensor]) -> dict[str, Tensor]:
    """What differs from the base: matrices as int8 moves with a scale for each row, all else as it is."""
    kept = {}
    for name, value in weights.items():
        value, start = value.detach().cpu(), base[name]
        if value.ndim < 2 or not value.is_floating_point():
            if not torch.equal(value, start):
                kept[f"raw.{name}"] = value
            continue
        moved = (value.float() - start.float()).flatten(1)
        scale = torch.linalg.vector_norm(moved, ord=math.inf, dim=1) / 127
        if not (farthest := float(scale.sum())):
            continue
        if not math.isfinite(farthest):
            kept[f"raw.{name}"] = value
            continue
        scale.clamp_min_(torch.finfo(torch.float32).tiny)
        kept[f"move.{name}"] = moved.div_(scale[:, None]).round_().to(torch.int8).reshape(value.shape)
        kept[f"scale.{name}"] = scale
    return kept


def _restored(name: str, base: Tensor, light: dict[str, Tensor]) -> Tensor:
    if f"raw.{name}" in light:
        return light[f"raw.{name}"]
    if f"move.{name}" not in light:
        return base
    move, scale = light[f"move.{name}"], light[f"scale.{name}"]
    return (base.float() + move.float() * scale.view(-1, *[1] * (move.ndim - 1))).to(base.dtype)
