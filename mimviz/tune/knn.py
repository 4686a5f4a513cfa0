"""Unsupervised Feature Learning via Non-Parametric Instance Discrimination. Wu, Xiong, Yu, Lin. CVPR 2018. arXiv 1805.01978.

Section 3.4: the neighbours of a picture vote, each with exp(cosine / τ). DINO and others report it with τ = 0.07 and 20 neighbours.
Equal to that sum, written slowly (tests/tune/test_probes.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted

from .features import Pool, rows_of


class KNN(ClassifierMixin, BaseEstimator):
    """`KNN(model).fit(pictures, labels).score(pictures, labels)`: nothing is trained. pictures as in `Features`.

    temperature: τ; the smaller, the more the very nearest count; None gives every neighbour one vote.
    """

    def __init__(
        self,
        model: Any,
        *,
        neighbours: int = 20,
        temperature: float | None = 0.07,
        pool: Pool = "avg",
        batch: int = 32,
        folder: Any = None,
    ) -> None:
        self.model, self.neighbours, self.temperature = model, neighbours, temperature
        self.pool, self.batch, self.folder = pool, batch, folder

    def fit(self, X: Any, y: Any) -> KNN:
        """Remembers X (pictures, or rows of features (N, D)) and y (N,), classes of any kind."""
        rows = self.features(X)
        if not 1 <= self.neighbours <= len(rows):
            raise ValueError(
                f"neighbours is {self.neighbours}, but 1 to {len(rows)} are possible: there are {len(rows)} pictures"
            )
        weights: Any = "uniform" if self.temperature is None else self._votes
        self.neighbours_ = KNeighborsClassifier(self.neighbours, weights=weights, metric="cosine").fit(
            rows, np.asarray(y)
        )
        self.classes_ = self.neighbours_.classes_
        return self

    def features(self, X: Any) -> np.ndarray:
        """(N, D): what neighbours are found by."""
        return rows_of(X, self)

    def predict(self, X: Any) -> np.ndarray:
        """(N,): a class for each picture."""
        check_is_fitted(self)
        return self.neighbours_.predict(self.features(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(N, classes): the share of the votes, in the order of `classes_`."""
        check_is_fitted(self)
        return self.neighbours_.predict_proba(self.features(X))

    def nearest(self, X: Any) -> np.ndarray:
        """(N, neighbours): numbers of the training pictures that are nearest, the nearest first."""
        check_is_fitted(self)
        return self.neighbours_.kneighbors(self.features(X), return_distance=False)

    def _votes(self, distances: np.ndarray) -> np.ndarray:
        assert self.temperature is not None
        return np.exp((1 - distances) / self.temperature)
