"""The training loop as a generator: one `Step` after each step of the optimizer, and nothing else to learn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from . import checkpoint as runs
from .schedule import cosine

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Step:
    """index from 1; loss of this step's batch; lr used; seconds since the last step; pictures in the batch; the model's outcome."""

    index: int
    loss: float
    lr: float
    seconds: float
    pictures: int
    outcome: Any


def fit(
    model: nn.Module,
    batches: Iterable,
    *,
    steps: int = 200,
    until: int | None = None,
    lr: float = 1e-3,
    warmup: int | None = None,
    weight_decay: float = 0.05,
    scales: dict[str, float] | None = None,
    betas: tuple[float, float] = (0.9, 0.95),
    clip: float | None = 1.0,
    precision: Precision = "auto",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int = 500,
    facts: dict | None = None,
) -> Iterator[Step]:
    """Trains `model` in place on normalized pictures (B, 3, H, W) and yields a Step after each optimizer step.

    AdamW, `warmup` steps (5 % unless told) then cosine to 0; bfloat16 autocast where precision is "auto" and the model is on a GPU.
    batches: any iterable of tensors (repeated as often as needed), or an object with `.at(step)`, which makes a resumed run
    equal to one that never stopped. Of (pictures, labels) the labels are left aside, unless `model.wants_labels` is true: such
    a model, e.g. `tune.Classifier`, is called with both. It returns an Outcome or what has `.loss` and `.detached()` too.
    scales: factors on the learning rate by name of parameter, e.g. `tune.layer_decay(model, 0.75)`; 1 where none is given.
    until: end after so many of the `steps`, whose schedule stays as it is; a later call with a checkpoint goes on.
    checkpoint: a file written each `every` steps, at the end, and when the loop is left; read first if it is there. A run goes on
    only with the settings it was begun with, `facts` (JSON-able: what else must be the same, e.g. the data) among them.
    The model ends in eval mode.
    Each step seeds its own random numbers from `seed` and leaves the caller's generator alone.
    Raises FloatingPointError where the loss is no longer finite (the last checkpoint is kept).
    """
    _check(steps, lr, every, until)
    optimizer = torch.optim.AdamW(_groups(model, weight_decay, scales or {}), lr=lr, betas=betas)
    warmup = round(steps * 0.05) if warmup is None else warmup
    setup = {"steps": steps, "lr": lr, "seed": seed, "warmup": warmup, "weight_decay": weight_decay}
    setup |= {"betas": list(betas), "clip": clip, **(facts or {})}
    done = _resume(checkpoint, model, optimizer, setup)
    device = next(model.parameters()).device
    batch_at = _batch_at(batches, done)
    model.train()
    saved, whole = done, True
    try:
        for index in range(done, min(steps, until or steps)):
            began = time.perf_counter()
            rate = cosine(index, steps=steps, peak=lr, warmup=warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            inputs = [each.to(device, non_blocking=True) for each in _inputs(batch_at(index), model)]
            whole = False  # an interrupt inside the step may leave half of the weights updated: not worth keeping
            outcome = _step(model, inputs, optimizer, clip, _autocast(device, precision), seed * 1_000_003 + index)
            done, whole = index + 1, True
            if checkpoint and done % every == 0:
                runs.save(checkpoint, model, optimizer, done, **setup)
                saved = done
            yield Step(done, float(outcome.loss), rate, time.perf_counter() - began, len(inputs[0]), outcome)
    finally:
        if checkpoint and whole and done > saved:
            runs.save(checkpoint, model, optimizer, done, **setup)
        model.eval()


def _step(model: nn.Module, inputs: list[Tensor], optimizer, clip: float | None, autocast, seed: int):
    with torch.random.fork_rng(devices=[inputs[0].device] if inputs[0].is_cuda else []):
        torch.manual_seed(seed)
        with autocast:
            outcome = model(*inputs)
            loss = outcome.loss
    if not isinstance(loss, Tensor):
        raise ValueError("the loss carries no gradient: every parameter of the model is frozen (requires_grad=False)")
    if not torch.isfinite(loss):
        raise FloatingPointError(
            f"loss is {float(loss.detach())}: lower the learning rate, or look for NaN in the pictures"
        )
    loss.backward()
    if clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if hasattr(model, "after_step"):
        model.after_step()  # type: ignore[operator]
    return outcome.detached()


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


def _inputs(batch, model: nn.Module) -> list[Tensor]:
    """What the model is called with: the pictures of a batch, and the labels of (pictures, labels) where it wants them."""
    parts = list(batch) if isinstance(batch, (tuple, list)) and batch else [batch]
    images = parts[0]
    if not isinstance(images, Tensor) or images.ndim != 4:
        what = f"a tensor {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"a batch holds {what}, but normalized pictures (B, 3, H, W) are wanted")
    if not getattr(model, "wants_labels", False):
        return [images]
    if len(parts) < 2 or not isinstance(parts[1], Tensor) or parts[1].shape != images.shape[:1]:
        raise TypeError(
            "a batch holds no labels (B,) beside its pictures, but this model learns from (pictures, labels)"
        )
    return [images, parts[1]]


def _batch_at(batches: Iterable, done: int) -> Callable[[int], Any]:
    if hasattr(batches, "at"):
        return batches.at  # type: ignore[union-attr]
    endless = _again(batches)
    for _ in range(done):
        next(endless)
    return lambda index: next(endless)


def _again(batches: Iterable) -> Iterator:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError(
                "batches ran out: a generator can be read only once, so give a list or a loader, or fewer steps"
            )


def _resume(checkpoint, model: nn.Module, optimizer, setup: dict) -> int:
    if not checkpoint or not Path(checkpoint).exists():
        return 0
    facts = runs.load(checkpoint, model, optimizer)
    if changed := {k: (facts.get(k), v) for k, v in setup.items() if facts.get(k) != v}:
        told = ", ".join(f"{k} {old} (now {new})" for k, (old, new) in changed.items())
        raise ValueError(f"{checkpoint} was begun with {told}: resume with the same values, or give another checkpoint")
    return facts["step"]


def _check(steps: int, lr: float, every: int, until: int | None) -> None:
    if until is not None and until < 1:
        raise ValueError(f"until is {until}, but at least one step is wanted")
    if steps < 1 or not lr > 0 or every < 1:
        raise ValueError(f"steps is {steps}, lr is {lr} and every is {every}, but all must be positive")
