"""Linear warm-up, then half a cosine down to zero (Loshchilov, Hutter, SGDR, ICLR 2017, arXiv 1608.03983)."""

from __future__ import annotations

import math


def cosine(step: int, *, steps: int, peak: float, warmup: int = 0) -> float:
    """Learning rate of `step` (from 0) in a run of `steps`; reaches `peak` after `warmup` steps and 0 after the last."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))
