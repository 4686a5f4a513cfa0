"""Imports point left only, and each outside package has its one place."""

import ast
from pathlib import Path

import pytest

import mimviz

ORDER = (
    "core < data < cnn < vit < lenses < judges,discover < grammar < recipes < tune < train < studies < zoo < scale < plot"
    " < widgets < share < lab"
)
RANK = {name: rank for rank, names in enumerate(ORDER.split(" < ")) for name in names.split(",")}
HOMES = {"anywidget": {"widgets"}, "captum": {"lenses"}, "timm": {"vit", "cnn", "zoo", "decoders", "tune"}}
ROOT = Path(mimviz.__file__).parent
FILES = [path for path in sorted(ROOT.rglob("*.py")) if len(path.relative_to(ROOT).parts) > 1]


def imports(node: ast.AST, package: list[str], function: str = ""):
    """(dotted parts, name of the enclosing function) of every import, also of those inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name.split("."), function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) + 1 - child.level] if child.level else []
            named = child.module.split(".") if child.module else []
            yield from ((base + named + [alias.name], function) for alias in child.names)
        else:
            yield from imports(child, package, child.name if isinstance(child, ast.FunctionDef) else function)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_left(path):
    inside = path.relative_to(ROOT).parts
    for parts, function in imports(ast.parse(path.read_text("utf-8")), ["mimviz", *inside[:-1]]):
        if parts[0] == "mimviz" and parts[1:] and parts[1] in RANK and parts[1] != inside[0]:
            lazily_plots = parts[1] == "plot" and function  # a value's .plot()
            lazily_shares = parts[1] == "share" and function == "to_html"  # a widget's .to_html()
            free = RANK[parts[1]] < RANK[inside[0]] or lazily_plots or lazily_shares
            assert free, f"{'/'.join(inside)} imports {'.'.join(parts)}, but imports point left: {ORDER}"
        if parts[0] in HOMES:
            assert HOMES[parts[0]].intersection(inside), f"only {HOMES[parts[0]]} may import {parts[0]}"


def test_every_package_has_its_place():
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(RANK)


def test_the_test_sees_what_it_should():
    """Imports that would be easy to overlook are found."""
    code = "import timm.layers\ndef f():\n from ...plot import show\nclass A:\n def g(self):\n  from .. import lab"
    found = list(imports(ast.parse(code), ["mimviz", "grammar", "where"]))
    assert found == [(["timm", "layers"], ""), (["mimviz", "plot", "show"], "f"), (["mimviz", "grammar", "lab"], "g")]
