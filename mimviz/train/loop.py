"""One training, step by step: the model, its optimizer and the schedule that belongs to them. `fit` and `Run` drive it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core import drawing
from . import checkpoint as runs
from .feeding import batch_at, inputs_of
from .guards import Guards, TrainingWarning, Warned, where_it_broke
from .health import Checkup, Health
from .held_out import HeldOut, Validation
from .schedule import cosine

Precision = Literal["auto", "float32", "bfloat16"]
POINTS = 20  # of the validation curve, unless told


@dataclass(frozen=True)
class Step:
    """index from 1; loss of this step's batch; lr used; seconds since the last step; pictures in the batch; the model's outcome;
    L2 norm of the whole gradient before it was clipped; health by layer of those steps that were asked for it; validation
    on held-out pictures after those where it was due."""

    index: int
    loss: float
    lr: float
    seconds: float
    pictures: int
    outcome: Any
    grad_norm: float = float("nan")
    health: dict[str, Health] | None = None
    validation: Validation | None = None


class Loop:
    """A training that stands after `done` of its steps. The keywords are those of `fit`.

    `changes` is {step: lr}: from that step (counted from 0) on, the schedule has this peak instead of `lr`.
    validation: pictures that must not be among the training's, see `HeldOut`.
    tell: called with each `Warned` of the guard rails; a Python warning of class TrainingWarning unless told otherwise.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Iterable,
        *,
        steps: int = 200,
        lr: float = 1e-3,
        warmup: int | None = None,
        weight_decay: float = 0.05,
        scales: dict[str, float] | None = None,
        betas: tuple[float, float] = (0.9, 0.95),
        clip: float | None = 1.0,
        precision: Precision = "auto",
        seed: int = 0,
        facts: dict | None = None,
        validation: Any = None,
        validate_every: int | None = None,
        tell: Callable[[Warned], None] | None = None,
    ):
        if steps < 1 or not lr > 0:
            raise ValueError(f"steps is {steps} and lr is {lr}, but both must be positive")
        if validate_every is not None and validate_every < 1:
            raise ValueError(f"validate_every is {validate_every}, but a positive number of steps is wanted")
        self.model, self.batches, self.steps, self.lr, self.seed, self.clip = model, batches, steps, lr, seed, clip
        self.warmup = round(steps * 0.05) if warmup is None else warmup
        self.optimizer = torch.optim.AdamW(_groups(model, weight_decay, scales or {}), lr=lr, betas=betas, fused=True)
        self.setup = {"steps": steps, "lr": lr, "seed": seed, "warmup": self.warmup, "weight_decay": weight_decay}
        self.setup |= {"betas": list(betas), "clip": clip, **(facts or {})}
        self.changes: dict[int, float] = {}
        self.done = 0
        self.examined = 0.0  # seconds that the last examination took
        self.device = next(model.parameters()).device
        self._autocast = _autocast(self.device, precision)
        self._guards = Guards(model, lr, tell or warn)
        self.validation, self._validate_every = validation, validate_every or max(1, round(steps / POINTS))
        self._held_out = HeldOut(validation, batches, model) if validation is not None else None
        if validation is not None and not isinstance(validation, (list, tuple)):
            self._guards.compare(batches, validation)
        self._batch_at: Callable[[int], Any] | None = None
        self._before: list | None = None  # what the step now running began with

    @property
    def repeats(self) -> bool:
        """Whether step n always sees the same batch, so that steps can be done over."""
        return hasattr(self.batches, "at") or isinstance(self.batches, Sequence)

    @property
    def whole(self) -> bool:
        """Whether weights and optimizer stand between two steps. An interrupt may leave half of the weights updated."""
        return self._before is None or self._before == self._versions()

    def rate(self, index: int) -> float:
        """Learning rate of step `index`, from 0."""
        changed = max((step for step in self.changes if step <= index), default=None)
        peak = self.lr if changed is None else self.changes[changed]
        return cosine(index, steps=self.steps, peak=peak, warmup=self.warmup)

    @property
    def peak(self) -> float:
        """Of the schedule, as it was last set."""
        return self.changes[max(self.changes)] if self.changes else self.lr

    @contextmanager
    def training(self) -> Iterator[None]:
        """The model in training mode inside, in eval mode afterwards."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)  # what an interrupted step has left
        self._guards.begin()
        try:
            yield
        finally:
            self.model.eval()

    def step(self, *, examine: bool = False) -> Step:
        """One step of the optimizer; `examine` also looks after the health of each layer. FloatingPointError where loss or gradient
        are not finite: the weights are then as before the step."""
        began, index = time.perf_counter(), self.done
        self._before = self._versions()
        rate = self.rate(index)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        if self._batch_at is None:
            self._batch_at = batch_at(self.batches, index)
        inputs = [each.to(self.device, non_blocking=True) for each in inputs_of(self._batch_at(index), self.model)]
        self._guards.before(index, inputs)
        checkup = Checkup(self.model) if examine else None
        outcome, norm = self._learn(inputs, index, checkup)
        self.done, self._before = index + 1, None
        health = checkup.finish() if checkup else None
        if checkup:
            self.examined = checkup.seconds
        self._guards.after(index, norm, rate, health)
        seconds = time.perf_counter() - began
        return Step(index + 1, float(outcome.loss), rate, seconds, len(inputs[0]), outcome, norm, health)

    def validate(self, going: Callable[[], bool] = lambda: True) -> Validation | None:
        """What the model makes of the held-out pictures now; None where there are none, it is not due, or `going()` turned false.
        No number of the training depends on it."""
        due = self.done and (self.done % self._validate_every == 0 or self.done >= self.steps)
        if self._held_out is None or not due:
            return None
        with self._autocast:
            return self._held_out(self.model, self.device, going)

    def save(self, path: str | Path, **tensors: Tensor) -> None:
        """Weights, optimizer, step and settings in one file, whole or not at all; `tensors` travel along."""
        changes = {"changes": self.changes} if self.changes else {}
        runs.save(path, self.model, self.optimizer, self.done, tensors, **self.setup, **changes)

    def load(self, path: str | Path) -> None:
        """Goes back, or on, to where `save` was called; ValueError where the settings were others."""
        facts = runs.load(path, self.model, self.optimizer)
        if changed := {k: (facts.get(k), v) for k, v in self.setup.items() if facts.get(k) != v}:
            told = ", ".join(f"{k} {old} (now {new})" for k, (old, new) in changed.items())
            raise ValueError(f"{path} was begun with {told}: resume with the same values, or give another checkpoint")
        self.changes = {int(step): lr for step, lr in facts.get("changes", {}).items()} | self.changes
        self.done, self._batch_at, self._before = facts["step"], None, None

    def stand_as(self, other: Loop) -> None:
        """Takes over the optimizer's memory, the step and the changed rates of another training of the same model."""
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": other.optimizer.state_dict()["state"], "param_groups": groups})
        self.done, self.changes, self._batch_at, self._before = other.done, {**other.changes}, None, None

    # --- inside ---

    def _learn(self, inputs: list[Tensor], index: int, checkup: Checkup | None) -> tuple[Any, float]:
        model, optimizer = self.model, self.optimizer
        seed = self.seed * 1_000_003 + index
        with drawing(seed, self.device), self._autocast:
            outcome = model(*inputs)
            loss = outcome.loss
        if not isinstance(loss, Tensor):
            raise ValueError(
                "the loss carries no gradient: every parameter of the model is frozen (requires_grad=False)"
            )
        if not torch.isfinite(loss):
            with drawing(seed, self.device), self._autocast:
                broke = where_it_broke(model, inputs)
            raise FloatingPointError(f"loss is {float(loss.detach())} in step {index + 1}: {broke}")
        loss.backward()
        if checkup:
            checkup.gradients()
        norm = self._clipped(index)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if hasattr(model, "after_step"):
            model.after_step()  # type: ignore[operator]
        return outcome.detached(), norm

    def _clipped(self, index: int) -> float:
        """The norm of the gradient, which is at most `clip` from here on."""
        learning = [p for p in self.model.parameters() if p.grad is not None]
        total = (
            nn.utils.get_total_norm([p.grad for p in learning if p.grad is not None]) if learning else torch.zeros(())
        )
        if math.isfinite(norm := float(total)):
            if self.clip is not None and learning:
                nn.utils.clip_grads_with_norm_(learning, self.clip, total)
            return norm
        first = next(
            name for name, p in self.model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
        )
        self.optimizer.zero_grad(set_to_none=True)
        raise FloatingPointError(
            f"the gradient of {first} is not finite in step {index + 1}, though the loss is: "
            "lower the learning rate, or train in float32"
        )

    def _versions(self) -> list:
        """Changes with every write to weights, buffers or the optimizer's memory."""
        state = (
            each for states in self.optimizer.state.values() for each in states.values() if isinstance(each, Tensor)
        )
        return [(id(each), each._version) for each in chain(self.model.parameters(), self.model.buffers(), state)]


def warn(warned: Warned) -> None:
    """A guard rail's word as a Python warning."""
    warnings.warn(TrainingWarning(f"{warned.title}. {warned.text}"), stacklevel=2)


def _groups(model: nn.Module, weight_decay: float, scales: dict[str, float]) -> list[dict]:
    """Weight decay on matrices and kernels only: not on biases, norms, tokens and positions. One group for each `scale`."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not named:
        raise ValueError("every parameter of the model is frozen (requires_grad=False): there is nothing to train")
    if lost := set(scales) - {name for name, _ in model.named_parameters()}:
        raise ValueError(f"scales name {min(lost)!r}, but the model has no such parameter")
    kinds: dict[tuple[bool, float], list] = {(True, 1.0): [], (False, 1.0): []}
    for name, p in named.items():
        kinds.setdefault((p.ndim in (2, 4), scales.get(name, 1.0)), []).append(p)
    return [
        {"params": params, "weight_decay": weight_decay * decayed, "scale": scale}
        for (decayed, scale), params in kinds.items()
    ]


def _autocast(device: torch.device, precision: Precision):
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision is {precision!r}, but 'auto', 'float32' or 'bfloat16' is wanted")
    half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()
