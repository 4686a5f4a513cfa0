"""What to call a word of mimviz, a frozen dataclass with parameters."""

from __future__ import annotations

from typing import Any


def label(word: Any) -> str:
    """Its class where its parameters are the defaults, else with those that differ: `Deletion`, `Deletion(steps=8)`."""
    if isinstance(word, str):
        return word
    if isinstance(word, type):
        return word.__name__
    name = type(word).__name__
    try:
        default = type(word)()
    except TypeError:
        return repr(word)
    fields = getattr(word, "__dataclass_fields__", {})
    changed = [(f, getattr(word, f)) for f in fields if getattr(word, f) != getattr(default, f)]
    return name if not changed else f"{name}({', '.join(f'{f}={label_of(value)}' for f, value in changed)})"


def label_of(value: Any) -> str:
    """A parameter: words by their label, everything else as Python writes it."""
    return label(value) if hasattr(value, "__dataclass_fields__") else repr(value)


def word(given: Any, package: Any, argument: str) -> Any:
    """A word of `package`, from its name or class or itself. ValueError for a name that there is not, TypeError for no word."""
    if isinstance(given, str):
        if given not in package.__all__:
            raise ValueError(f"{argument} names {given!r}, but there are {', '.join(package.__all__)}")
        return getattr(package, given)()
    made = given() if isinstance(given, type) else given
    if not (callable(made) or hasattr(made, "stream")):  # one that only streams has a last map as well
        raise TypeError(f"{argument} holds {made!r}, but names or words of {package.__name__} are wanted")
    return made
