"""The training loop as a generator: one `Step` after each step of the optimizer, and nothing else to learn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from .loop import Loop, Precision, Step


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
    validation: Any = None,
    validate_every: int | None = None,
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
    validation: pictures that the model is tested on after each `validate_every` steps (a twentieth of them) and the last, see
    `Step.validation`: a Dataset, Batches, uint8 (N, 3, H, W), or a list of batches. No number of the training depends on it. It is
    told if they are among the training's pictures, but of a list.
    The model ends in eval mode.
    Each step seeds its own random numbers from `seed` and leaves the caller's generator alone.
    Raises FloatingPointError where the loss or its gradient is no longer finite; the checkpoint is that of the step before.
    Mistakes that can be seen on the way are told as warnings of class `mimviz.train.TrainingWarning`.
    """
    if until is not None and until < 1:
        raise ValueError(f"until is {until}, but at least one step is wanted")
    if every < 1:
        raise ValueError(f"every is {every}, but a positive number of steps is wanted")
    loop = Loop(
        model, batches, steps=steps, lr=lr, warmup=warmup, weight_decay=weight_decay, scales=scales, betas=betas,
        clip=clip, precision=precision, seed=seed, facts=facts, validation=validation,
        validate_every=validate_every,
    )  # fmt: skip
    if checkpoint and Path(checkpoint).exists():
        loop.load(checkpoint)
    saved = loop.done
    with loop.training():
        try:
            while loop.done < min(steps, until or steps):
                step = loop.step()
                step = replace(step, validation=loop.validate())
                if checkpoint and loop.done % every == 0:
                    loop.save(checkpoint)
                    saved = loop.done
                yield step
        finally:
            if checkpoint and loop.whole and loop.done > saved:
                loop.save(checkpoint)
