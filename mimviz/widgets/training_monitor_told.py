"""What a training monitor tells its browser about its runs: states, curves and health as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..train import History, Run
from .reconstruction import finite

POINTS = 400  # of a curve, at most
RECENT = 30  # steps that speed and time left are judged by
CURVE = ("step", "loss", "least", "most", "lr", "grad_norm")


def curve(history: History) -> np.ndarray:
    """float32 (points, 6) as in `CURVE`: step by step, or means over equal stretches with their least and greatest loss."""
    loss, lr, norm = history.loss, history.lr, history.grad_norm
    count = min(len(loss), len(lr), len(norm))
    steps = np.arange(1, count + 1, dtype=np.float64)
    if count <= POINTS:
        rows = [steps, loss[:count], loss[:count], loss[:count], lr[:count], norm[:count]]
        return np.stack(rows, 1).astype("<f4") if count else np.zeros((0, 6), "<f4")
    size = -(-count // POINTS)
    starts = np.arange(0, count, size)
    many = np.diff(np.append(starts, count))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[:count], starts) / many

    least, most = np.minimum.reduceat(loss[:count], starts), np.maximum.reduceat(loss[:count], starts)
    last = np.append(starts[1:], count)
    return np.stack([last, mean(loss), least, most, lr[last - 1], mean(norm)], 1).astype("<f4")


def report(run: Run) -> dict[str, Any]:
    """All but the curves."""
    history, moments = run.history, list(run.moments)
    done = len(history)
    recent = history.seconds[-RECENT:]
    pace = float(np.median(recent)) if len(recent) else None
    steps = history.health
    last = max(steps) if steps else None
    return {
        "name": run.name, "state": run.state, "message": run.message, "done": done, "steps": run.steps,
        "loss": finite(history.loss[-1]) if done else None, "rate": finite(history.lr[-1]) if done else None,
        "peak": run.lr if run.loop or moments else None, "drives": run.loop is not None, "folder": str(run.folder),
        "speed": finite(history.speed[-RECENT:].mean()) if done else None,
        "left": (run.steps - done) * pace if pace is not None else None,
        "seconds": finite(history.seconds.sum()) if done else 0.0,
        "moments": [each.step for each in moments], "exact": [each.step for each in moments if each.exact],
        "bytes": run.moments.bytes, "budget": run.moments.budget,
        "changes": sorted((run.loop.changes if run.loop else {}).items()),
        "warnings": [vars(each) for each in list(run.warnings)],
        "validation": [
            [step, finite(v.loss), None if v.accuracy is None else finite(v.accuracy)]
            for step, v in _thinned(list(history.validation.items()))
        ],
        "health": _health(last, steps[last]) if last is not None else {},
        "error": repr(run.error) if run.error else "",
    }  # fmt: skip


def _thinned(points: list) -> list:
    """At most `POINTS` or so, the newest among them."""
    return points[:: -max(1, len(points) // POINTS)][::-1]


def _health(step: int, layers: dict) -> dict[str, Any]:
    rows = [
        [
            name,
            finite(each.gradient),
            finite(each.weights),
            finite(each.ratio),
            finite(each.silent),
            each.broken,
            each.state,
        ]
        for name, each in layers.items()
    ]
    return {"step": step, "layers": rows}
