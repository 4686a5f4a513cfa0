"""A board on paper: every cell as CSV, the table as LaTeX, and what it all belongs to."""

from __future__ import annotations

import csv as writer
import hashlib
import io
import math
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..vit.fingerprint import fingerprint

if TYPE_CHECKING:
    from ._board import Board

PACKAGES = ("mimviz", "torch", "timm", "captum", "numpy")


def csv(board: Board) -> str:
    """method, judge, better, picture, value, seconds, note, error; a line for each cell that is known."""
    text = io.StringIO()
    rows = writer.writer(text, lineterminator="\n")
    rows.writerow(["method", "judge", "better", "picture", "value", "seconds", "note", "error"])
    for key in board._keys():
        if cell := board.cells.get(key):
            better = board.judges[cell.judge].better
            value = "" if math.isnan(cell.value) else repr(cell.value)
            rows.writerow(
                [cell.method, cell.judge, better, cell.picture, value, f"{cell.seconds:.4f}", cell.note, cell.error]
            )
    return text.getvalue()


def latex(board: Board) -> str:
    """A booktabs table: mean [low, high] of each method by each judge, the best one bold, seconds a picture at the end."""
    table, head = board.table(), [_escaped(name) for name in board.judges]
    arrows = [r"$\uparrow$" if judge.better == "higher" else r"$\downarrow$" for judge in board.judges.values()]
    best = {j: _best([(m, table[m, j].mean) for m in board.methods], judge.better) for j, judge in board.judges.items()}
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(head) + 1)}}}",
        r"\toprule",
        " & ".join(["method", *(f"{name} {arrow}" for name, arrow in zip(head, arrows, strict=True)), "s"]) + r" \\",
        r"\midrule",
    ]
    for method in board.methods:
        found = [table[method, judge] for judge in board.judges]
        shown = [_number(each, bold=best[j] == method) for j, each in zip(board.judges, found, strict=True)]
        seconds = sum(each.seconds for each in found) / max(max((each.count for each in found), default=0), 1)
        lines.append(" & ".join([_escaped(method), *shown, f"{seconds:.2f}"]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def manifest(board: Board) -> dict[str, Any]:
    """JSON-able: `question` is what must be equal for two boards to be one."""
    question = {
        "model": fingerprint(board.model),
        "pictures": [hashlib.sha256(each.array.tobytes()).hexdigest()[:16] for each in board.pictures],
        "targets": None if board.targets is None else [str(each) for each in board.targets],
        "methods": {name: repr(word) for name, word in board.methods.items()},
        "judges": {name: repr(word) for name, word in board.judges.items()},
        "seed": board.seed,
    }
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    device = str(next(board.model.parameters()).device)
    return {"question": question, "versions": versions, "device": device, "cells": board.done, "of": board.total}


def _best(found: list[tuple[str, float]], better: str) -> str | None:
    known = [(value, name) for name, value in found if not math.isnan(value)]
    if not known:
        return None
    return (max if better == "higher" else min)(known)[1]


def _number(found: Any, *, bold: bool) -> str:
    if math.isnan(found.mean):
        return "--"
    text = f"{found.mean:.3f}"
    interval = "" if math.isnan(found.low) else rf" {{\scriptsize[{found.low:.3f}, {found.high:.3f}]}}"
    return (rf"\textbf{{{text}}}" if bold else text) + interval


def _escaped(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
    }
    return "".join(special.get(letter, letter) for letter in text)
