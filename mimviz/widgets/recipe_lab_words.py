"""What a recipe lab can say: every recipe, every word of the grammar, and the controls that their parameters make."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal

from .. import grammar, recipes

SLOTS = ("where", "how", "decoder", "target", "loss")
FOLDERS = {"how": grammar.how, "decoder": grammar.decoders, "target": grammar.targets}
SPANS = {
    "ratio": (0, 1, 0.01), "dim": (32, 512, 32), "depth": (0, 12, 1), "heads": (1, 16, 1), "momentum": (0, 1, 0.001),
    "layer": (-12, 11, 1), "top": (0, 12, 1),
}  # fmt: skip
VERIFIED = re.compile(r"(tests/|equal to |verified|checked|parity|twin|agrees? with)", re.IGNORECASE)


@dataclass(frozen=True)
class Paper:
    """What a recipe's file says of itself: its first line taken apart, its idea, and how it was verified."""

    title: str
    source: str
    url: str
    idea: str
    verified: str


@dataclass(frozen=True)
class Parameter:
    """One that a person may choose; `choices` where there are only so many, `scores` where it is a word itself."""

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    scores: bool = False


@cache
def paper(recipe: str) -> Paper:
    """Of a recipe by name, from the docstring of its file."""
    make = getattr(recipes, recipe)
    text = inspect.cleandoc(sys.modules[make.__module__].__doc__ or recipe)
    first, _, rest = text.partition("\n")
    title, _, source = first.partition(". ")
    found = re.search(r"(arXiv|doi) (\S+?)\.?$", first)
    home = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    url = home[found[1]] + found[2] if found else ""
    sentences = re.split(r"(?<=[.!?)])\s+(?=[A-Z`(])", " ".join(rest.split()))
    told = [each for each in sentences if VERIFIED.search(each)]
    idea = " ".join(each for each in sentences if each not in told)
    return Paper(title, source.rstrip("."), url, idea, " ".join(told))


def words(slot: str) -> dict[str, Callable]:
    """All words for a slot of the sentence, by name, in the order of their folder's list."""
    if slot == "loss":
        return {
            name: word for name, word in _listed(grammar.losses).items() if word.__module__ == grammar.losses.__name__
        }
    if slot == "where":
        return {name: word for name, word in _listed(grammar.where).items() if _returns(word, "Mask")}
    return _listed(FOLDERS[slot])


def scores() -> dict[str, Callable]:
    """The words that rank patches, for `Highest` and its kin."""
    return {name: word for name, word in _listed(grammar.where).items() if _returns(word, "Heatmap")}


def _listed(module: Any) -> dict[str, Callable]:
    own = [name for name, each in vars(module).items() if not name.startswith("_") and _is_word(each)]
    names = getattr(module, "__all__", own)
    return {name: word for name in names if _is_word(word := getattr(module, name))}


def _is_word(each: Any) -> bool:
    """A class whose instances are called, or a plain function; not a type alias, a protocol or a table."""
    if inspect.isclass(each):
        called = any("__call__" in vars(base) for base in each.__mro__[:-1])
        return called and not getattr(each, "_is_protocol", False)
    return inspect.isfunction(each)


def _returns(word: Any, value: str) -> bool:
    call = word.__call__ if inspect.isclass(word) else word
    told = inspect.signature(call).return_annotation
    return value in (told, getattr(told, "__name__", ""))


def describe(word: Callable) -> str:
    """The first sentence of what a word says of itself, or its file does."""
    for text in (word.__doc__, sys.modules[word.__module__].__doc__):
        if text and not text.startswith(f"{word.__name__}("):  # a dataclass without words repeats its signature
            return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    return ""


# --- parameters ---


def needs(make: Callable) -> list[str]:
    """The parameters without a default: these the sentence itself must give (grid, width, teacher …)."""
    chosen = {each.name for each in parameters(make)}
    return [name for name, default in _defaults(make).items() if default is MISSING and name not in chosen]


@cache
def parameters(make: Callable) -> tuple[Parameter, ...]:
    """Those that a slider, a toggle, a menu or a line of text can set."""
    hints = _hints(make)
    made = (_parameter(name, default, hints.get(name)) for name, default in _defaults(make).items())
    return tuple(each for each in made if each is not None)


def _defaults(make: Callable) -> dict[str, Any]:
    if inspect.isclass(make) and is_dataclass(make):
        table = {}
        for field in fields(make):
            if field.init:
                table[field.name] = field.default if field.default_factory is MISSING else field.default_factory()
        return table
    able = inspect.signature(make).parameters.values()
    plain = [p for p in able if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: MISSING if p.default is p.empty else p.default for p in plain}


def _hints(make: Callable) -> dict[str, Any]:
    try:
        return typing.get_type_hints(make.__init__ if inspect.isclass(make) and not is_dataclass(make) else make)
    except Exception:  # an annotation that only a type checker can read
        return {}


def _parameter(name: str, default: Any, hint: Any) -> Parameter | None:
    if typing.get_origin(hint) is Literal:
        return Parameter(name, default, typing.get_args(hint))
    if type(default) in (bool, int, float, str):
        return Parameter(name, default)
    if isinstance(default, tuple) and default and all(type(each) in (int, float) for each in default):
        return Parameter(name, default)
    if hint in scores().values() and default is MISSING:  # a word that must be said: the one that it asks for
        return Parameter(name, hint, scores=True)
    if default is not MISSING and type(default) in scores().values():
        return Parameter(name, default, scores=True)
    return None


def span(parameter: Parameter) -> tuple[float, float, float]:
    """Smallest, largest and step of its slider."""
    value = parameter.default
    if parameter.name in SPANS:
        low, high, step = SPANS[parameter.name]
        return min(low, value), max(high, value), step
    if isinstance(value, int):
        return min(0, 4 * value), max(4 * value, 8), 1
    most = 1.0 if abs(value) <= 1 else 4 * abs(value)
    return (-most if value < 0 else 0.0), most, most / 100


# --- controls ---


def controls(make: Callable, said: dict[str, Any], path: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A control for every parameter, with the value that is said or the default; words inside bring theirs along.

    kind: "toggle", "number" (min, max, step), "menu" (choices), "word" (choices that have options themselves), "numbers" (a tuple
    as text) or "text".
    """
    made = []
    for each in parameters(make):
        here = (*path, each.name)
        value = said.get(each.name, each.default)
        if each.scores:
            word, options = score_name(value), {}
            if isinstance(value, dict):
                word, options = value.get("word") or score_name(each.default), value.get("options", {})
            made.append(_control(here, "word", word, choices=list(scores())))
            made += controls(scores()[word], options, here)
        else:
            made.append(_plain(each, here, value))
    return made


def score_name(value: Any) -> str:
    """Of a word or its class."""
    return value.__name__ if inspect.isclass(value) else type(value).__name__


def _plain(each: Parameter, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if each.choices:
        return _control(path, "menu", value, choices=list(each.choices))
    if isinstance(each.default, bool):
        return _control(path, "toggle", bool(value))
    if isinstance(each.default, (int, float)):
        low, high, step = span(each)
        return _control(path, "number", value, min=low, max=high, step=step, whole=isinstance(each.default, int))
    if isinstance(each.default, tuple):
        return _control(path, "numbers", ", ".join(f"{part:g}" for part in value))
    return _control(path, "text", value)


def _control(path: tuple[str, ...], kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"path": list(path), "name": path[-1].replace("_", " "), "kind": kind, "value": value, **more}


def bundled_recipes() -> list[str]:
    """Names of all recipes, as their folder lists them."""
    return list(recipes.__all__)
