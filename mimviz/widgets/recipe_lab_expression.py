"""Expressions of Python that can be said and computed: what is copied is what runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Name:
    """A value that the sentence has given a name, such as `encoder.grid`."""

    said: str

    def value(self, names: dict[str, Any]) -> Any:
        first, *rest = self.said.split(".")
        value = names[first]
        for part in rest:
            value = getattr(value, part)
        return value

    def __repr__(self) -> str:
        return self.said


@dataclass(frozen=True)
class Call:
    """A word with its parameters: `repr` is Python, `value` is what that Python makes."""

    said: str
    make: Callable
    keywords: dict[str, Any] = field(default_factory=dict)
    first: tuple = ()

    def value(self, names: dict[str, Any]) -> Any:
        def known(each: Any) -> Any:
            return each.value(names) if isinstance(each, (Call, Name)) else each

        return self.make(*map(known, self.first), **{name: known(each) for name, each in self.keywords.items()})

    def __repr__(self) -> str:
        said = [*map(repr, self.first), *(f"{name}={each!r}" for name, each in self.keywords.items())]
        return f"{self.said}({', '.join(said)})"
