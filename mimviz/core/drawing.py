"""Random numbers of one's own, for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_turn = threading.RLock()


@contextmanager
def drawing(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """torch's own generator (and that of a GPU, `device`) begins at `seed` inside; what the caller had of it is left alone.

    The process has one such generator, so what two threads draw in here is drawn in turns: be quick.
    """
    with _turn, torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
