"""One method, one file: exported, with its paper on the first line, and short."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import mimviz

ROOT = Path(mimviz.__file__).parent
LIBRARY = sorted(ROOT.rglob("*.py"))
CATALOGUES = [name for name in ("recipes", "lenses", "judges", "discover", "studies") if (ROOT / name / "__init__.py").exists()]
METHODS = [path for name in CATALOGUES for path in sorted((ROOT / name).glob("*.py")) if not path.stem.startswith("_")]
# Title. Authors. Venue and year. arXiv number, or a DOI where there is none.
PAPER = re.compile(r"\S.+\. .*\b(19|20)\d\d\. (arXiv \d{4}\.\d{4,5}|doi 10\.\S+)\.?$")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("path", METHODS, ids=named)
def test_method_is_exported(path):
    """The folder's `__init__` imports from the file, and lists what it imports in `__all__` or `DIAGNOSTICS`."""
    package = import_module(f"mimviz.{path.parent.name}")
    tree = ast.parse((path.parent / "__init__.py").read_text("utf-8"))
    taken = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == path.stem
        for alias in node.names
    ]
    assert taken, f"{named(path)} is not imported in {path.parent.name}/__init__.py"
    listed = {*package.__all__, *getattr(package, "DIAGNOSTICS", ())}
    assert set(taken) <= listed, f"{taken} is not in {path.parent.name}.__all__"


@pytest.mark.parametrize("path", METHODS, ids=named)
def test_method_names_its_paper(path):
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
    assert PAPER.search(first), f"{named(path)} begins {first!r}, wanted: Title. Authors. Venue 2024. arXiv 2401.01234."


@pytest.mark.parametrize("path", METHODS, ids=named)
def test_method_is_short(path):
    assert lines(path) <= 120, "a method's file holds only what is new in the paper"


@pytest.mark.parametrize("path", LIBRARY, ids=named)
def test_no_file_is_long(path):
    assert lines(path) <= 300


def test_there_are_recipes():
    assert {"mae", "simmim"} <= {path.stem for path in METHODS}
