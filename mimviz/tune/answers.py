"""What a classifier says of a dataset: how often it is right, what it takes for what, and where it is most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Dataset
from ..vit import evaluating
from ._models import vit_of
from .scores import logits_of


@dataclass(frozen=True, eq=False)
class Answers:
    """probabilities: (N, classes), every row sums to 1; `dataset` holds the pictures and what they should have been."""

    probabilities: np.ndarray
    dataset: Dataset
    name: str = "model"

    @property
    def labels(self) -> np.ndarray:
        return self.dataset.labels.numpy()

    @property
    def predicted(self) -> np.ndarray:
        """(N,): the likeliest class."""
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> float:
        """The share of pictures that is named right."""
        return float((self.predicted == self.labels).mean())

    @property
    def per_class(self) -> dict[str, float]:
        """The same for the pictures of each class; NaN where there are none."""
        table = self.confusion
        with np.errstate(invalid="ignore"):
            shares = np.diag(table) / table.sum(1)
        return dict(zip(self.dataset.classes, shares.tolist(), strict=True))

    @property
    def confusion(self) -> np.ndarray:
        """(classes, classes): how many pictures of the class of a row were taken for that of a column."""
        count = len(self.dataset.classes)
        return np.bincount(self.labels * count + self.predicted, minlength=count * count).reshape(count, count)

    @property
    def losses(self) -> np.ndarray:
        """(N,): −log probability of the true class, in nats."""
        return -np.log(np.clip(self.probabilities[np.arange(len(self.labels)), self.labels], 1e-12, 1))

    def hardest(self, count: int = 12) -> list[int]:
        """Numbers of the pictures whose true class got the smallest probability, the hardest first."""
        return np.argsort(-self.losses, kind="stable")[:count].tolist()

    def __str__(self) -> str:
        right = int((self.predicted == self.labels).sum())
        worst = min(self.per_class.items(), key=lambda pair: np.nan_to_num(pair[1], nan=2))
        return f"{self.name}: {right} of {len(self.labels)} right ({self.accuracy:.1%}); worst class {worst[0]!r} ({worst[1]:.1%})"

    def plot(self, before: Answers | None = None) -> Any:
        """A plotly figure: confusion matrix and accuracy of each class, beside those of `before`; see `plot.show_answers`."""
        from ..plot import show_answers

        return show_answers(self, before=before)


def answers(model: Any, dataset: Dataset, *, name: str = "model", batch: int = 100) -> Answers:
    """Asks a tuned model (of timm, a `Classifier`, `Memory`, …) or a probe about every picture of a dataset that has a label.

    Raises ValueError where pictures have no label or the model has fewer classes than the dataset.
    """
    if not len(dataset) or int(dataset.labels.min()) < 0:
        raise ValueError(f"{dataset} holds pictures without a label: nothing can be right or wrong about them")
    probabilities = _of_probe(model, dataset) if hasattr(model, "predict_proba") else _of_module(model, dataset, batch)
    if probabilities.shape[1] != len(dataset.classes):
        raise ValueError(
            f"the model has {probabilities.shape[1]} classes, but the dataset {len(dataset.classes)}: they must be the same"
        )
    return Answers(probabilities, dataset, name)


def _of_probe(model: Any, dataset: Dataset) -> np.ndarray:
    """A probe that never saw a class gives it no chance."""
    out = np.zeros((len(dataset), len(dataset.classes)))
    known = [dataset.classes.index(c) if isinstance(c, str) else int(c) for c in model.classes_]
    out[:, known] = model.predict_proba(dataset.images)
    return out


def _of_module(model: nn.Module, dataset: Dataset, batch: int) -> np.ndarray:
    vit = vit_of(model)
    ask = model if hasattr(model, "tasks") else vit
    config, device = vit.pretrained_cfg, next(model.parameters()).device

    def on_device(images: Tensor) -> Tensor:
        return ask(images.to(device)).cpu()

    with evaluating(model), torch.no_grad():
        logits = logits_of(on_device, dataset.images, mean=config["mean"], std=config["std"], batch=batch)
    return logits.float().softmax(-1).numpy()
