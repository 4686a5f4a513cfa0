"""Methods × judges × pictures, cell after cell: to be watched, left, and taken up again."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..core import Heatmap, Score
from ..core.words import label
from ..data import image
from ..vit import Scene
from ..vit.answers import Answers
from ._agreement import disagreement
from ._baselines import EdgeMap, RandomMap
from ._tables import csv, latex, manifest


@dataclass(frozen=True)
class Cell:
    """What one judge says of one method's map of one picture; `value` is NaN where it cannot, `note` or `error` says why."""

    method: str
    judge: str
    picture: int
    value: float
    seconds: float
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Summary:
    """Over the pictures so far: `mean` and its 95 % interval `low`..`high` (bootstrap over pictures), of `count` of them."""

    mean: float
    low: float
    high: float
    count: int
    seconds: float
    errors: tuple[str, ...] = ()


class Board:
    """`Board(model, pictures, methods=…, judges=…)`: every map judged by every judge.

    model: what a Scene takes; pictures: whatever `mimviz.image` opens. methods, judges: lists of words, or {name: word}. A map of
    random numbers and one of the picture's edges are judged first, unless `baselines` is False. targets: a class for each picture;
    each one's best where None. folder: every finished cell is written there at once, and read again by a board of the same
    question.

    `for cell in board.run()` does what is still to be done, picture by picture, and may be left at any time. `board.table()`,
    `board.disagreement()`, `board.csv()`, `board.latex()` and `board.manifest()` tell what is known so far. Maps are kept, on the
    processor, as float32: methods × pictures of them.
    """

    def __init__(
        self,
        model: nn.Module,
        pictures: Sequence[Any],
        *,
        methods: Mapping[str, Any] | Sequence[Any],
        judges: Mapping[str, Any] | Sequence[Any],
        targets: Sequence[Any] | None = None,
        baselines: bool = True,
        folder: str | Path | None = None,
        seed: int = 0,
    ):
        self.model, self.pictures = model, [image(each) for each in pictures]
        if not self.pictures:
            raise ValueError("there are no pictures to judge on: give at least one")
        if targets is not None and len(targets) != len(self.pictures):
            raise ValueError(
                f"targets names {len(targets)} classes for {len(self.pictures)} pictures: one for each is wanted"
            )
        first = {"RandomMap": RandomMap(seed), "EdgeMap": EdgeMap()} if baselines else {}
        self.methods: dict[str, Any] = first | _named(methods)
        self.judges: dict[str, Any] = _named(judges)
        self.targets, self.seed = targets, seed
        self.cells: dict[tuple[str, str, int], Cell] = {}
        self.maps: dict[tuple[str, int], Heatmap] = {}
        self.scores: dict[tuple[str, str, int], Score] = {}
        self._scenes: dict[int, Scene] = {}
        self._file = None if folder is None else Path(folder) / "cells.jsonl"
        self._resume()

    @property
    def total(self) -> int:
        """Cells in all."""
        return len(self.methods) * len(self.judges) * len(self.pictures)

    @property
    def done(self) -> int:
        return sum(key in self.cells for key in self._keys())

    def run(self) -> Iterator[Cell]:
        """Judges what has not been judged, and yields each cell as it is done."""
        for method, judge, picture in self._keys():
            if (method, judge, picture) not in self.cells:
                cell = self._judged(method, judge, picture)
                self.cells[method, judge, picture] = cell
                self._write(cell)
                yield cell

    def scene(self, picture: int) -> Scene:
        """One picture of the board in front of its model."""
        if picture not in self._scenes:
            target = None if self.targets is None else self.targets[picture]
            scene = Scene(self.model, self.pictures[picture], target=target)
            scene.answers = Answers()
            self._scenes = {picture: scene}  # traces are large: one at a time
        return self._scenes[picture]

    def map(self, method: str, picture: int) -> Heatmap:
        """The method's map of one picture, made once."""
        if (method, picture) not in self.maps:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a flat map gets its score like any other
                heat = self.methods[method](self.scene(picture))
            self.maps[method, picture] = Heatmap(heat.values.cpu(), heat.by, heat.signed)
        return self.maps[method, picture]

    def score(self, method: str, judge: str, picture: int) -> Score:
        """With its curve; made again where the cell came from a file."""
        key = (method, judge, picture)
        if key not in self.scores:
            self.scores[key] = self.judges[judge](self.scene(picture), self.map(method, picture))
        return self.scores[key]

    def table(self) -> dict[tuple[str, str], Summary]:
        """{(method, judge): Summary} of all cells so far."""
        return {(m, j): self._summary(m, j) for m in self.methods for j in self.judges}

    def disagreement(self) -> dict[tuple[str, str], float]:
        """{(judge, judge): 0..1}: how far two judges differ in their order of the methods, see `mimviz.judges.disagreement`."""
        sign = {name: 1 if judge.better == "higher" else -1 for name, judge in self.judges.items()}
        good = {j: [sign[j] * _mean(self._values(m, j)) for m in self.methods] for j in self.judges}
        return {(a, b): disagreement(good[a], good[b]) for a in self.judges for b in self.judges}

    def csv(self) -> str:
        """All cells, one a line."""
        return csv(self)

    def latex(self) -> str:
        """The table with intervals, the best of each judge in bold."""
        return latex(self)

    def manifest(self) -> dict[str, Any]:
        """What the numbers belong to: model, pictures, methods, judges, seed and versions."""
        return manifest(self)

    # --- inside ---

    def _keys(self) -> Iterator[tuple[str, str, int]]:
        return ((m, j, p) for p in range(len(self.pictures)) for m in self.methods for j in self.judges)

    def _judged(self, method: str, judge: str, picture: int) -> Cell:
        began = time.perf_counter()
        try:
            self.map(method, picture)
            score = self.score(method, judge, picture)
        except Exception as error:  # one method that does not fit the model must not end the board
            return Cell(
                method,
                judge,
                picture,
                float("nan"),
                time.perf_counter() - began,
                error=f"{type(error).__name__}: {error}",
            )
        return Cell(method, judge, picture, float(score.value[0]), time.perf_counter() - began, score.note)

    def _cells(self, method: str, judge: str) -> list[Cell]:
        return [self.cells[key] for p in range(len(self.pictures)) if (key := (method, judge, p)) in self.cells]

    def _values(self, method: str, judge: str) -> np.ndarray:
        """Of the pictures so far, those of which the judge can say something."""
        values = np.array([cell.value for cell in self._cells(method, judge)])
        return values[np.isfinite(values)]

    def _summary(self, method: str, judge: str) -> Summary:
        mine, values = self._cells(method, judge), self._values(method, judge)
        low, high = _interval(values, self.seed)
        errors = tuple(dict.fromkeys(cell.error for cell in mine if cell.error))
        return Summary(_mean(values), low, high, len(values), sum(cell.seconds for cell in mine), errors)

    def _write(self, cell: Cell) -> None:
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(_line(cell))

    def _resume(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        asked, told = self._file.with_name("board.json"), json.dumps(self.manifest()["question"], indent=1)
        if asked.exists() and asked.read_text("utf-8") != told:
            raise ValueError(
                f"{asked.parent} holds another board (other model, pictures, methods or judges): give another folder"
            )
        asked.write_text(told, encoding="utf-8")
        for line in self._file.read_text("utf-8").splitlines() if self._file.exists() else []:
            try:
                cell = Cell(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the line that was being written when the last run ended
            self.cells[cell.method, cell.judge, cell.picture] = cell
        part = self._file.with_suffix(".part")
        part.write_text("".join(_line(cell) for cell in self.cells.values()), encoding="utf-8")
        part.replace(self._file)


def _line(cell: Cell) -> str:
    return json.dumps(asdict(cell)) + "\n"


def _named(words: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    if isinstance(words, Mapping):
        named = dict(words)
    else:
        made = [each() if isinstance(each, type) else each for each in words]
        named = {label(each): each for each in made}
        if len(named) < len(made):
            raise ValueError(f"two of {[label(each) for each in made]} have one name: give {{name: word}}")
    if not named:
        raise ValueError("the list is empty, but at least one method and one judge are wanted")
    return named


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _interval(values: np.ndarray, seed: int, *, draws: int = 1000) -> tuple[float, float]:
    """95 % of the means of pictures drawn again with replacement; NaN with fewer than two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
