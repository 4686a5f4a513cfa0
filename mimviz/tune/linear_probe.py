"""What a linear layer reads off a frozen model, as scikit-learn asks: fit, predict, score.

He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377 (appendix A.1, linear probing).
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .features import Pool, rows_of


class LinearProbe(ClassifierMixin, BaseEstimator):
    """`LinearProbe(model).fit(pictures, labels).score(pictures, labels)`. pictures as in `Features`, whose rows are remembered.

    protocol: "ridge" standardizes each channel and fits a logistic regression with penalty 1 / C; "mae" is MAE's: a batch norm
    without scale and shift (ε 1e-6, statistics of all training pictures) and no penalty at all. MAE learns that layer by SGD on
    random crops; this is where its loss has its minimum, without crops (`head_only(norm=True)` in `fit` has both).
    Where a line parts all training pictures, that minimum lies at infinity: `max_iter` ends the search, and `converged_` is False.
    pool: MAE probes the class token, "token"; the mean of the patches, "avg", tells more about models trained without one.
    """

    def __init__(
        self,
        model: Any,
        *,
        pool: Pool = "avg",
        C: float = 0.1,
        protocol: Literal["ridge", "mae"] = "ridge",
        max_iter: int = 300,
        batch: int = 32,
        folder: Any = None,
    ) -> None:
        self.model, self.pool, self.C, self.protocol = model, pool, C, protocol
        self.max_iter, self.batch, self.folder = max_iter, batch, folder

    def fit(self, X: Any, y: Any) -> LinearProbe:
        """X: pictures, or rows of features (N, D); y: (N,) classes of any kind."""
        if self.protocol not in ("ridge", "mae"):
            raise ValueError(f"protocol is {self.protocol!r}, but 'ridge' or 'mae' is wanted")
        mae = self.protocol == "mae"
        head = LogisticRegression(C=np.inf if mae else self.C, max_iter=self.max_iter)
        self.head_: Pipeline = make_pipeline(_BatchNorm() if mae else StandardScaler(), head)
        rows = self.features(X)
        with warnings.catch_warnings(), threadpool_limits(1):  # its matrices are small: threads wait for each other
            warnings.simplefilter("ignore", ConvergenceWarning)  # `converged_` says it
            self.head_.fit(rows, np.asarray(y))
        self.converged_ = int(np.max(head.n_iter_)) < self.max_iter
        self.classes_ = self.head_.classes_
        return self

    def features(self, X: Any) -> np.ndarray:
        """(N, D): what the head reads."""
        return rows_of(X, self)

    def predict(self, X: Any) -> np.ndarray:
        """(N,): a class for each picture."""
        check_is_fitted(self)
        return self.head_.predict(self.features(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(N, classes): in the order of `classes_`; every row sums to 1."""
        check_is_fitted(self)
        return self.head_.predict_proba(self.features(X))


class _BatchNorm(StandardScaler):
    """BatchNorm1d(affine=False, eps=1e-6) over the whole training set: (x − mean) / √(var + 1e-6)."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> _BatchNorm:
        super().fit(X)
        self.scale_ = np.sqrt(np.asarray(self.var_) + 1e-6)
        return self
