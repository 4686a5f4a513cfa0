"""From what people give as batches to what a model is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor, nn


def inputs_of(batch: Any, model: nn.Module) -> list[Tensor]:
    """What the model is called with: the pictures of a batch, and the labels of (pictures, labels) where it wants them."""
    parts = list(batch) if isinstance(batch, (tuple, list)) and batch else [batch]
    images = parts[0]
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        what = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"a batch holds {what}, but normalized pictures (B, 3, H, W) of floats are wanted")
    if not getattr(model, "wants_labels", False):
        return [images]
    if len(parts) < 2 or not isinstance(parts[1], Tensor) or parts[1].shape != images.shape[:1]:
        raise TypeError(
            "a batch holds no labels (B,) beside its pictures, but this model learns from (pictures, labels)"
        )
    return [images, parts[1]]


def batch_at(batches: Iterable, done: int) -> Callable[[int], Any]:
    """Step → its batch, for a training that stands after `done` steps."""
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
