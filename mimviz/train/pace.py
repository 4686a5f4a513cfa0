"""How often something may be done beside a training, so that it takes no more than a share of the time."""

from __future__ import annotations

import time
from contextlib import contextmanager


class Pace:
    """`due()` says whether there is time for it once more; what is done `with pace.timed():` is counted.

    share: of the time that passes in `tick`, 0..1. guess: seconds that the first one is thought to take. head: seconds in advance,
    so that something is there early.
    """

    def __init__(self, share: float, *, guess: float = 0.0, head: float = 0.0):
        self.share, self.cost, self.head = share, guess, head
        self.spent = self.passed = 0.0

    def tick(self, seconds: float) -> None:
        """So much time has gone by."""
        self.passed += seconds

    def due(self) -> bool:
        return self.spent + self.cost <= self.share * self.passed + self.head or self.share == 1

    @contextmanager
    def timed(self):
        began = time.perf_counter()
        try:
            yield
        finally:
            self.cost = time.perf_counter() - began
            self.spent += self.cost

    def count(self, seconds: float) -> None:
        """The same for what has timed itself."""
        self.cost = seconds
        self.spent += seconds
