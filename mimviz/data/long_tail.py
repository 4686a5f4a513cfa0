"""A long tail out of even classes, as CIFAR-LT makes it (Cui et al., CVPR 2019, arXiv 1901.05555, section 5)."""

from __future__ import annotations

import numpy as np

from .dataset import Dataset


def tail_counts(most: int, classes: int, factor: float) -> list[int]:
    """⌊most · factor^(−c / (C − 1))⌋ pictures of class c: the first keeps all, the last `factor` times fewer (factor ρ ≥ 1)."""
    if factor < 1 or classes < 2 or most < 1:
        raise ValueError(f"most={most}, classes={classes} and factor={factor}: at least 1, 2 and 1 are wanted")
    return [int(most * factor ** (-c / (classes - 1)) + 1e-9) for c in range(classes)]


def long_tail(dataset: Dataset, factor: float = 100.0, *, seed: int = 0) -> Dataset:
    """Fewer and fewer pictures from class to class, chosen at random; the classes stay in their order.

    Starts from the smallest class's number, so that every class has enough. ValueError where the last would have none.
    """
    wanted = tail_counts(min(dataset.counts.values()), len(dataset.classes), factor)
    if not wanted[-1]:
        raise ValueError(
            f"factor is {factor}, but the smallest class has {wanted[0]} pictures: the last would have none"
        )
    draw, labels, kept = np.random.default_rng(seed), dataset.labels.numpy(), []
    for label, count in enumerate(wanted):
        kept += sorted(draw.permutation(np.flatnonzero(labels == label))[:count].tolist())
    return dataset.take(sorted(kept))
