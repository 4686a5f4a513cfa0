"""Who made a value, for figures that can be made again."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Made:
    """A model and the settings it was asked with. The model is held weakly: it lives no longer for having made something."""

    model: Callable[[], Any]
    settings: dict[str, Any] = field(default_factory=dict)
    state: int = 0

    @classmethod
    def by(cls, model: Any, **settings: Any) -> Made:
        return cls(weakref.ref(model), settings, _state(model))

    def __reduce__(self) -> tuple:
        """A copy in another process or file does not know the model."""
        return type(self), (_gone, self.settings, self.state)

    @property
    def maker(self) -> Any | None:
        """The model; None where it is gone, or its weights were changed since."""
        model = self.model()
        return model if model is not None and _state(model) == self.state else None


def _gone() -> None:
    return None


def _state(model: Any) -> int:
    """Grows with every change of a weight in place."""
    return sum(each._version for each in model.parameters() if not each.is_inference())
