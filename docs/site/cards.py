"""A card for each method, made from the code: paper, picture, parameters, how it is verified, what it costs."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mimviz import discover, judges, lenses, recipes

ROOT = Path(__file__).resolve().parents[2]
SHELVES = {
    "recipes": (recipes, "An encoder in, a masked model out."),
    "lenses": (lenses, "A scene in, a map of raw numbers out."),
    "judges": (judges, "A scene and a map in, a score out."),
    "discover": (discover, "A scene in, what is hidden in its tokens out."),
}
HOMES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


@dataclass(frozen=True)
class Card:
    """One method: `shelf` and `name` say where it lies, `file` is relative to the checkout."""

    shelf: str
    name: str
    made: Callable
    file: Path

    @property
    def page(self) -> str:
        return f"gallery/{self.shelf}/{self.name}.md"

    @property
    def image(self) -> str:
        return f"gallery/{self.shelf}/{self.name}.png"


def cards() -> list[Card]:
    """All methods in the order of their folders' lists; values that methods return are none."""
    found = []
    for shelf, (package, _) in SHELVES.items():
        for name in [*package.__all__, *getattr(package, "DIAGNOSTICS", ())]:
            made = getattr(package, name)
            if shelf == "recipes" or "__call__" in vars(made):
                found.append(Card(shelf, name, made, Path(inspect.getfile(made)).relative_to(ROOT)))
    return found


def paper(card: Card) -> tuple[str, str, str]:
    """(title, the rest of the first line, a link to the paper or "")."""
    first = _doc(card).partition("\n")[0]
    title, _, source = first.partition(". ")
    found = re.search(r"(arXiv|doi) (\S+?)\.?$", first)
    return title, source.rstrip("."), HOMES[found[1]] + found[2] if found else ""


def said(card: Card) -> str:
    """What the file says below the line of its paper, and what the method itself says."""
    below = _doc(card).partition("\n")[2].strip()
    own = inspect.cleandoc(vars(card.made).get("__doc__") or card.made.__doc__ or "")
    return below if own.startswith(f"{card.name}(") else f"{below}\n\n{own}"  # a dataclass repeats its signature


def parameters(card: Card) -> list[tuple[str, str]]:
    """(name, default as Python writes it)."""
    if is_dataclass(card.made):
        return [(f.name, _default(f)) for f in fields(card.made) if f.init]
    able = list(inspect.signature(card.made).parameters.values())
    return [(p.name, "" if p.default is p.empty else repr(p.default)) for p in able]


def _default(field: Any) -> str:
    if field.default is not MISSING:
        return repr(field.default)
    return "" if field.default_factory is MISSING else repr(field.default_factory())


def tests(card: Card) -> dict[str, list[str]]:
    """{file of tests: what its tests that name the method hold, as sentences}; a file that walks the whole shelf says so."""
    held: dict[str, list[str]] = {}
    for file, named in _tests().items():
        mine = [sentence for sentence, words in named if card.name in words]
        if mine:
            held[file] = mine
    return held


@cache
def _tests() -> dict[str, list[tuple[str, frozenset[str]]]]:
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        near = path.stem.removeprefix("test_")
        named = []
        outside = {}  # tables and helpers of the file: what they name, a test that uses them holds as well
        for node in tree.body:
            for name in [node] if isinstance(node, ast.FunctionDef) else getattr(node, "targets", []):
                outside[getattr(name, "id", getattr(name, "name", ""))] = _words(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = _words(node)
                words |= {near, *(each for name in words & set(outside) for each in outside[name])}
                named.append((node.name.removeprefix("test_").replace("_", " "), frozenset(words)))
        found[str(path.relative_to(ROOT))] = named
    return found


def _words(node: ast.AST) -> set[str]:
    inside = list(ast.walk(node))
    names = {each.id for each in inside if isinstance(each, ast.Name)}
    names |= {each.attr for each in inside if isinstance(each, ast.Attribute)}
    return names | {each.value for each in inside if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def _doc(card: Card) -> str:
    return inspect.cleandoc(sys.modules[card.made.__module__].__doc__ or "")


def markdown(card: Card, *, picture: bool, cost: str) -> str:
    """The page of a card."""
    title, source, url = paper(card)
    lines = [f"# {card.name}", "", f"*{title}.* {source}." + (f" [paper]({url})" if url else ""), ""]
    if picture:
        lines += [f"![{alt(card)}]({card.name}.png)", ""]
    lines += [said(card), "", "```python", call(card), "```", ""]
    if rows := parameters(card):
        lines += ["| parameter | default |", "|---|---|"]
        lines += [
            f"| `{name}` | {f'`{default}`' if default else 'none: it must be given'} |" for name, default in rows
        ] + [""]
    lines += ["## How it is verified", "", f"By the invariants of all {card.shelf} (`tests/{card.shelf}`), and:", ""]
    held = tests(card)
    for file, sentences in held.items():
        lines += [f"- `{file}`: " + "; ".join(dict.fromkeys(sentences))]
    if not held:
        lines += ["- nothing of its own"]
    lines += ["", "## What it costs", "", cost, "", f"The code: `{card.file}`, {_length(card)} lines.", ""]
    return "\n".join(lines)


def call(card: Card) -> str:
    """One line that uses it."""
    if card.shelf == "recipes":
        return f'mv.recipes.{card.name}(mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8))'
    return f"mv.{card.shelf}.{card.name}()({'scene, heat' if card.shelf == 'judges' else 'scene'})"


def alt(card: Card) -> str:
    """In place of the picture."""
    return {
        "recipes": f"{card.name} on the bundled cat: what decides the mask, what the encoder sees, and what is to be predicted",
        "lenses": f"the bundled cat, and the map that {card.name} makes of it with the bundled classifier",
        "judges": f"what {card.name} says of a map of the bundled classifier",
        "discover": f"what {card.name} finds in the tokens of the bundled classifier",
    }[card.shelf]


def _length(card: Card) -> int:
    return len((ROOT / card.file).read_text("utf-8").splitlines())


def shelf_page(shelf: str, on_it: list[Card], pictures: set[str]) -> str:
    """The overview of a shelf: one tile a card."""
    lines = [f"# {shelf.capitalize()}", "", SHELVES[shelf][1], "", '<div class="grid cards" markdown>', ""]
    for card in on_it:
        lines += [f"-   **[{card.name}]({card.name}.md)**", "", f"    {paper(card)[0]}", ""]
        if card.image in pictures:
            lines += [f"    [![{alt(card)}]({card.name}.png)]({card.name}.md)", ""]
    return "\n".join([*lines, "</div>", ""])


def gallery_page(every: list[Card]) -> str:
    """What the shelves hold."""
    lines = [
        "# Gallery",
        "",
        f"{len(every)} methods, one short file each. Every card is made from the code, its picture by running it.",
        "",
    ]
    for shelf, (_, what) in SHELVES.items():
        count = sum(card.shelf == shelf for card in every)
        lines += [f"- [**{shelf.capitalize()}**]({shelf}/index.md), {count}: {what}"]
    return "\n".join([*lines, ""])
