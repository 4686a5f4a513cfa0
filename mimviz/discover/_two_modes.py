"""One mode or two? A mixture of two Gaussians against a single one, in one dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLOOR = 0.05  # the narrowest mode, in logarithms: 5 %. One point alone would have no width
CLOSE = 10.0  # a difference of BIC beyond which Kass and Raftery (1995) call evidence very strong
STARTS = (0.005, 0.02, 0.1, 0.3, 0.5)  # shares of the points that the upper mode may begin with


@dataclass(frozen=True)
class Mixture:
    """Weights, means and widths of the lower and the upper mode; `bic` of the two, of the one Gaussian `single_bic`."""

    weights: tuple[float, float]
    means: tuple[float, float]
    widths: tuple[float, float]
    bic: float
    single_bic: float

    @property
    def two(self) -> float:
        """Probability of two modes against one, 0..1, from the difference of BIC."""
        return float(1 / (1 + np.exp(np.clip((self.bic - self.single_bic) / 2, -700, 700))))

    def upper(self, x: np.ndarray) -> np.ndarray:
        """Probability of the upper mode at each x."""
        low, high = (np.log(w) + _log_normal(x, m, s) for w, m, s in self._modes)
        return 1 / (1 + np.exp(np.clip(low - high, -700, 700)))

    def density(self, x: np.ndarray) -> np.ndarray:
        return sum(w * np.exp(_log_normal(x, m, s)) for w, m, s in self._modes)  # type: ignore[return-value]

    def valley(self) -> tuple[float, float]:
        """Where the density is least between the modes, and the share of the lower of the two peaks that is missing there, 0..1."""
        x = np.linspace(*self.means, 513)
        y = self.density(x)
        lowest = int(y.argmin())
        return float(x[lowest]), float(1 - y[lowest] / min(y[: lowest + 1].max(), y[lowest:].max()))

    def crossing(self) -> float:
        """Between the means, where both modes are equally likely."""
        x = np.linspace(*self.means, 513)
        return float(x[np.abs(self.upper(x) - 0.5).argmin()])

    @property
    def _modes(self) -> zip:
        return zip(self.weights, self.means, self.widths, strict=True)


def two_modes(x: np.ndarray) -> Mixture:
    """The likeliest mixture for the values `x` (n,), by expectation maximisation from several starts.

    One with a valley is preferred to one without, unless its BIC is worse by more than 10: one wide mode below another can explain
    a single far point about as well as a mode of its own.
    """
    x = np.sort(x.astype(np.float64))
    single = -2 * _log_normal(x, x.mean(), max(float(x.std()), FLOOR)).sum() + 2 * np.log(len(x))
    starts = sorted({min(max(1, round(share * len(x))), len(x) - 1) for share in STARTS})
    found = [_climb(x, np.arange(len(x)) >= len(x) - start, single) for start in starts]
    best = min(each.bic for each in found)
    return min((each for each in found if each.bic <= best + CLOSE), key=lambda each: (each.valley()[1] < 0.5, each.bic))


def _climb(x: np.ndarray, upper: np.ndarray, single: float, steps: int = 100) -> Mixture:
    share = np.stack([~upper, upper]).astype(np.float64)  # (2, n): how much of each point belongs to each mode
    before = -np.inf
    for _ in range(steps):
        counts = share.sum(1) + 1e-9
        means = (share @ x) / counts
        widths = np.maximum(np.sqrt((share * (x - means[:, None]) ** 2).sum(1) / counts), FLOOR)
        weights = counts / counts.sum()
        joint = np.log(weights)[:, None] + _log_normal(x, means[:, None], widths[:, None])
        total = np.logaddexp(*joint)
        share = np.exp(joint - total)
        likelihood = total.sum()
        if likelihood - before < 1e-8 * len(x):
            break
        before = likelihood
    low, high = np.argsort(means)
    pairs = ((float(v[low]), float(v[high])) for v in (weights, means, widths))
    return Mixture(*pairs, bic=float(-2 * likelihood + 5 * np.log(len(x))), single_bic=float(single))


def _log_normal(x: np.ndarray, mean: float | np.ndarray, width: float | np.ndarray) -> np.ndarray:
    return -0.5 * ((x - mean) / width) ** 2 - np.log(width) - 0.5 * np.log(2 * np.pi)
