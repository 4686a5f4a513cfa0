"""What a model in training makes of pictures that it does not learn from: a point of its validation curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core import drawing
from ..vit import evaluating
from .feeding import inputs_of

SIZE = 64  # pictures at once, where nobody says


@dataclass(frozen=True)
class Validation:
    """loss: the mean over all held-out pictures, as the training's is computed but in eval mode; accuracy: the share that is named
    right, 0..1, None of a model that names nothing."""

    loss: float
    accuracy: float | None = None


class HeldOut:
    """`held_out(model)` → Validation. Random masks and the like are the same each time, and from a generator of their own.

    pictures: uint8 (N, 3, H, W), or something with such `.images` and perhaps `.labels` (a Dataset, Batches), normalized as the
    batches of the training are; or a list of batches as `fit` takes them.
    Raises TypeError or ValueError for what cannot be given to `model`.
    """

    def __init__(self, pictures: Any, batches: Iterable, model: nn.Module):
        self._size = getattr(pictures, "batch_size", None) or getattr(batches, "batch_size", SIZE)
        self._batches = list(pictures) if isinstance(pictures, (list, tuple)) else None
        if self._batches is not None:
            if not self._batches:
                raise ValueError("validation is an empty list, but at least one batch is wanted")
            return
        images, labels = getattr(pictures, "images", pictures), getattr(pictures, "labels", None)
        if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
            what = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"validation is {what}, but pictures uint8 (N, 3, H, W), a Dataset or Batches are wanted")
        if getattr(model, "wants_labels", False) and labels is None:
            raise ValueError(
                "validation holds no labels, but this model is scored by them: give a Dataset, or Batches with labels"
            )
        self._images, self._labels = images, labels
        self._shift, self._scale = _normalization(pictures, batches, model)

    @torch.no_grad()
    def __call__(self, model: nn.Module, device: torch.device, going: Callable[[], bool]) -> Validation | None:
        """None where `going()` turned false meanwhile."""
        losses, right, count = 0.0, 0.0, 0
        with evaluating(model):
            for number, batch in enumerate(self._chunks()):
                if not going():
                    return None
                inputs = [each.to(device) for each in inputs_of(batch, model)]
                with drawing(number, device):
                    outcome = model(*inputs)
                many = len(inputs[0])
                losses, right = losses + float(outcome.loss) * many, right + getattr(outcome, "accuracy", 0.0) * many
                count += many
        return Validation(losses / count, right / count if hasattr(outcome, "accuracy") else None)

    def _chunks(self) -> Iterator[Any]:
        if self._batches is not None:
            yield from self._batches
            return
        for at in range(0, len(self._images), self._size):
            part = (self._images[at : at + self._size].float() / 255 - self._shift) / self._scale
            yield part if self._labels is None else (part, self._labels[at : at + self._size])


def _normalization(pictures: Any, batches: Iterable, model: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) that colours 0..1 are normalized with."""
    for source in (pictures, batches, getattr(model, "encoder", model)):
        mean, std = getattr(source, "mean", None), getattr(source, "std", None)
        if isinstance(mean, (tuple, list, Tensor)) and isinstance(std, (tuple, list, Tensor)):
            shift, scale = (torch.tensor(list(each)).view(3, 1, 1) for each in (mean, std))
            return shift, scale
    raise ValueError(
        "validation is not normalized, and neither batches nor the model say with which mean and std: give mimviz.data.Batches"
    )
