"""A training as it was after any of its steps: from the last exact moment before, the steps between are done over."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import nn

from .loop import Loop
from .moments import Moments


def rewound(
    model: nn.Module,
    batches: Iterable,
    settings: dict[str, Any],
    changes: dict[int, float],
    moments: Moments,
    step: int,
) -> Loop:
    """A Loop over `model`, whose weights are replaced, that stands after `step`: to the last bit on a CPU.

    Raises ValueError where nothing exact was kept before, or where the steps between cannot be repeated."""
    start = moments.exact_before(step)
    exact = ", ".join(str(each.step) for each in moments if each.exact)
    if start is None:
        raise ValueError(
            f"no exact moment is kept before step {step}, only {exact or 'none'}: branch from one of these"
        )
    loop = Loop(model, batches, **settings, tell=lambda warned: None)
    loop.load(start.path)
    if start.step < step and not loop.repeats:
        raise ValueError(
            f"step {step} lies after the exact moment {start.step}, and the steps between cannot be repeated, as batches "
            f"({type(batches).__name__}) has no .at(step): branch from {exact}, or give a mimviz.data.Batches or a list"
        )
    loop.changes = {at: lr for at, lr in changes.items() if at <= step}
    with loop.training():
        while loop.done < step:
            loop.step()
    return loop


def beside(folder: Path, name: str) -> Path:
    """A folder of this name, or with a number, that is not there yet."""
    found, number = folder.parent / name, 2
    while found.exists():
        found, number = folder.parent / f"{name}-{number}", number + 1
    return found


def copied(model: nn.Module) -> nn.Module:
    """A copy with no gradients, in eval mode."""
    copy = deepcopy(model).eval()
    copy.zero_grad(set_to_none=True)
    return copy
