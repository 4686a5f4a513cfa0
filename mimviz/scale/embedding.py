"""A place on a plane for each picture of a store: principal components of its features, part by part."""

from __future__ import annotations

import numpy as np

from .store import Store, _read


def pca(store: Store, name: str = "features/avg") -> np.ndarray:
    """(rows, 2) float32: the first two principal components; NaN where a picture was broken.

    Exact, in two passes over the parts, with D × D numbers in memory; the largest weight of a component is positive. ValueError
    where there are fewer than three pictures or no features.
    """
    if name not in store.arrays:
        raise ValueError(
            f"this store has no {name}, but {', '.join(store.arrays) or 'no arrays'}: inspect with features=…"
        )
    count, total, square = 0, 0.0, 0.0
    for part in store.parts:
        X = _good(_read(part, name))
        count, total, square = count + len(X), total + X.sum(0), square + X.T @ X
    if count < 3:
        raise ValueError(f"{count} pictures have features, but at least 3 are wanted to lay out")
    mean = np.asarray(total / count)
    _, vectors = np.linalg.eigh(square / count - np.outer(mean, mean))
    axes = vectors[:, :-3:-1]  # (D, 2), the largest first
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(axes.shape[1])])
    return np.concatenate([_placed(_read(part, name), mean, axes) for part in store.parts])


def _good(rows: np.ndarray) -> np.ndarray:
    """(n, D) in float64, without those of broken pictures; (0, 1) where all are."""
    return rows[np.isfinite(rows).all(1)].astype(np.float64) if rows.ndim == 2 else np.zeros((0, 1))


def _placed(rows: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    if rows.ndim != 2:
        return np.full((len(rows), 2), np.nan, np.float32)
    return ((rows - mean) @ axes).astype(np.float32)
