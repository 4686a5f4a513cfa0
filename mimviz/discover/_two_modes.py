"""One mode or two? Mixtures of up to three Gaussians in one dimension, by whether their density has a valley."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

FLOOR = 0.05  # the narrowest component, in logarithms: 5 %. One point alone would have no width
STARTS = (0.005, 0.02, 0.1, 0.3, 0.5)  # shares of the points that the uppermost component may begin with
STRONG = 6.0  # in BIC, strong evidence (Kass and Raftery, 1995): how much better a tail must fit than a mode of its own
POINTS = 513


@dataclass(frozen=True)
class Mixture:
    """Components from the lowest mean to the highest: weights, means and widths; and its BIC."""

    weights: np.ndarray
    means: np.ndarray
    widths: np.ndarray
    bic: float

    def log_density(self, x: np.ndarray) -> np.ndarray:
        return np.logaddexp.reduce(self._joint(x), axis=0)

    def upper(self, x: np.ndarray) -> np.ndarray:
        """Probability that x belongs to the components above the valley."""
        joint = self._joint(x)
        high = self.means > self.valley[0]
        return np.exp(np.logaddexp.reduce(joint[high], axis=0) - np.logaddexp.reduce(joint, axis=0))

    @cached_property
    def valley(self) -> tuple[float, float]:
        """Where the density is least between two modes, and the share of the lower one that is missing there, 0..1.

        Of several valleys the deepest; of one mode its highest mean, and 0.
        """
        x = np.linspace(self.means[0], self.means[-1], POINTS)
        y = self.log_density(x)
        lower = np.minimum(np.maximum.accumulate(y), np.maximum.accumulate(y[::-1])[::-1])
        deepest = int((lower - y).argmax())
        depth = float(1 - np.exp(y[deepest] - lower[deepest]))
        return (float(x[deepest]), depth) if depth > 0 else (float(x[-1]), 0.0)

    @property
    def above(self) -> float:
        """Weight of what lies above the valley."""
        return float(self.weights[self.means > self.valley[0]].sum())

    def _joint(self, x: np.ndarray) -> np.ndarray:
        """(components, n): log weight + log density."""
        z = (x - self.means[:, None]) / self.widths[:, None]
        return np.log(self.weights * 0.3989422804014327 / self.widths)[:, None] - 0.5 * z * z


@dataclass(frozen=True)
class Modes:
    """The best mixture with a valley of at least `dip`, None without any, and the best without."""

    two: Mixture | None
    one: Mixture

    @property
    def probability(self) -> float:
        """Of two modes against one, by the difference of BIC; a tail has to fit better by STRONG to be as likely as a far mode."""
        if self.two is None:
            return 0.0
        return float(1 / (1 + np.exp(np.clip((self.two.bic - self.one.bic - STRONG) / 2, -700, 700))))


def two_modes(x: np.ndarray, *, dip: float = 0.5) -> Modes:
    """For the values `x` (n,), by expectation maximisation from several starts."""
    x = np.sort(x.astype(np.float64))
    found = [climb(x, start) for start in _starts(len(x))]
    apart = [each for each in found if each.valley[1] >= dip]
    # the first start has one component, and so no valley
    one = min((each for each in found if each.valley[1] < dip), key=lambda each: each.bic)
    return Modes(min(apart, key=lambda each: each.bic) if apart else None, one)


def _starts(n: int) -> Iterator[np.ndarray]:
    """(components, n) boolean: which of the sorted points each component begins with."""
    at = np.arange(n)
    yield np.ones((1, n), dtype=bool)
    for count in sorted({min(max(1, round(share * n)), n - 1) for share in STARTS}):
        high = at >= n - count
        yield np.stack([~high, high])
        tail = ~high & (at >= (n - count) * 2 // 3)  # a body may be skewed without falling apart
        yield np.stack([~high & ~tail, tail, high])


def climb(x: np.ndarray, start: np.ndarray, steps: int = 100) -> Mixture:
    """The likeliest mixture uphill from `start` (components, n)."""
    share, before, likelihood = start.astype(np.float64), -np.inf, -np.inf
    for _ in range(steps):
        counts = share.sum(1) + 1e-9
        means = (share @ x) / counts
        widths = np.maximum(np.sqrt((share @ (x * x)) / counts - means**2 + 1e-12), FLOOR)
        fit = Mixture(counts / counts.sum(), means, widths, 0.0)
        joint = fit._joint(x)
        total = np.logaddexp.reduce(joint, axis=0)
        share = np.exp(joint - total)
        likelihood = float(total.sum())
        if likelihood - before < 1e-6 * len(x):
            break
        before = likelihood
    order = np.argsort(means)
    bic = -2 * likelihood + (3 * len(means) - 1) * np.log(len(x))
    return Mixture(fit.weights[order], means[order], widths[order], float(bic))
