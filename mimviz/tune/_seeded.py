"""numpy's and Python's generators, which timm draws from, led by torch's for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int | None = None) -> Iterator[None]:
    """Inside, both start from `seed`, drawn from torch's generator unless told; afterwards they are as they were."""
    seed = int(torch.randint(2**31, ())) if seed is None else seed
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  timm draws from the global generator
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
