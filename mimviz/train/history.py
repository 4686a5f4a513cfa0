"""What a training was like, step by step: numbers that a curve is drawn from, and the health of its layers now and then."""

from __future__ import annotations

import json
from array import array
from dataclasses import astuple
from math import isnan, nan

import numpy as np
import torch
from torch import Tensor

from .health import Health
from .held_out import Validation
from .loop import Step

COLUMNS = ("loss", "lr", "seconds", "pictures", "grad_norm")
CHECKUPS = 64  # kept; of more, every second one is dropped


class History:
    """`history.loss`, `.lr`, `.seconds`, `.pictures` and `.grad_norm` are arrays, one number for each step, the first for step 1.

    `history.health` is {step: {layer: Health}} for the steps that were looked into, `history.validation` {step: Validation} for
    those after which the model was tested on held-out pictures.
    """

    def __init__(self) -> None:
        self._columns = {name: array("d") for name in COLUMNS}
        self.health: dict[int, dict[str, Health]] = {}
        self.validation: dict[int, Validation] = {}

    def __len__(self) -> int:
        return min(map(len, self._columns.values()))

    @property
    def full(self) -> int:
        """Steps it knows; -1 where an interrupt left a step half written."""
        lengths = {len(column) for column in self._columns.values()}
        return lengths.pop() if len(lengths) == 1 else -1

    def __getattr__(self, name: str) -> np.ndarray:
        if name not in COLUMNS:
            raise AttributeError(
                f"a history has no {name!r}; it has {', '.join(COLUMNS)}, speed, health and validation"
            )
        return np.frombuffer(self._columns[name].tobytes())  # a view would forbid the training thread to append

    @property
    def speed(self) -> np.ndarray:
        """Pictures per second, of each step."""
        return self.pictures / np.maximum(self.seconds, 1e-9)

    def add(self, step: Step) -> None:
        for name in COLUMNS:
            self._columns[name].append(getattr(step, name))
        if step.health is not None:
            self.health = {**self.health, step.index: step.health}  # anew, as others read it meanwhile
            if len(self.health) > CHECKUPS:
                self.health = dict([*list(self.health.items())[::2], (step.index, step.health)])

    def tested(self, step: int, found: Validation) -> None:
        """What the model made of held-out pictures after `step`."""
        self.validation = {**self.validation, step: found}

    def cut(self, steps: int) -> History:
        """The first `steps` of it, as a new one."""
        other = History()
        other._columns = {name: column[:steps] for name, column in self._columns.items()}
        other.health = {step: layers for step, layers in self.health.items() if step <= steps}
        other.validation = {step: found for step, found in self.validation.items() if step <= steps}
        return other

    def tensors(self) -> dict[str, Tensor]:
        """For a safetensors file."""
        kept = {f"history.{name}": torch.tensor(getattr(self, name).copy()) for name in COLUMNS}
        if self.health:
            told = {
                step: {name: astuple(each) for name, each in layers.items()} for step, layers in self.health.items()
            }
            kept["history.health"] = torch.tensor(list(json.dumps(told).encode()), dtype=torch.uint8)
        if self.validation:
            rows = [(step, v.loss, nan if v.accuracy is None else v.accuracy) for step, v in self.validation.items()]
            kept["history.validation"] = torch.tensor(rows, dtype=torch.float64)
        return kept

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> History:
        """From what `tensors` gave."""
        history = cls()
        for name in COLUMNS:
            history._columns[name].extend(tensors[f"history.{name}"].tolist())
        if "history.health" in tensors:
            told = json.loads(bytes(tensors["history.health"].tolist()))
            history.health = {
                int(s): {name: Health(*each) for name, each in layers.items()} for s, layers in told.items()
            }
        for step, loss, accuracy in tensors.get("history.validation", torch.zeros(0, 3)).tolist():
            history.validation[int(step)] = Validation(loss, None if isnan(accuracy) else accuracy)
        return history
