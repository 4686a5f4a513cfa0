"""A model in eval mode for a while, each submodule's `training` as before afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_first = threading.Lock()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, what was found afterwards, also after an exception; one thread at a time, or it would be lost."""
    with _first:
        lock = _locks.setdefault(model, threading.RLock())
    with lock:
        training = [module for module in model.modules() if module.training]
        try:
            if training:
                model.eval()
            yield
        finally:
            for module in training:
                module.training = True
