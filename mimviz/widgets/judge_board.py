"""A leaderboard of saliency maps that fills while one watches, and the film behind every number."""

from __future__ import annotations

import json
import math
from typing import Any

import traitlets as t

from .. import judges
from ..core.words import label
from ..judges import Board, Summary, removal
from .board_film import Film, asked_class, film
from .engine import Answer, Turn
from .given import judge_of, lens_of, many, vit_of
from .live import LiveWidget
from .reconstruction import problem

METHODS = ("Gradient", "InputXGradient", "GradCAM", "Rollout", "Chefer", "LeGrad", "Occlusion", "IntegratedGradients")
JUDGES = ("Insertion", "Sufficiency", "ROAD", "Infidelity", "ClassSensitivity", "Randomisation")
PICTURES = ("cat", "astronaut", "coffee")
GREY, PAINTED = "Deletion, grey", "Deletion, in-painted"


class JudgeBoard(LiveWidget, bundle="judge_board"):
    """Saliency methods × judges × pictures: which map can be trusted, by whose measure, and how sure is that?

    Parameters
    ----------
    model : a timm model or a name for `load_vit` (default: the bundled "tiny-classifier").
    pictures : a list of whatever `mimviz.image` takes.
    methods : lenses to judge: names, classes or words with parameters; a random map and one of edges are always there.
    judges : judges: names of `mimviz.judges.__all__`, classes or words; by default eight, deletion with grey squares and with holes
        painted by the bundled masked model among them.
    targets : a class for each picture, by number or name; None asks for each one's best.
    folder : where finished cells are kept, so that a later board of the same question goes on.

    `board.stopped = True` holds the work, False goes on. `board.wait()` blocks until all cells are there; `board.table()`,
    `board.disagreement()`, `board.csv()` and `board.latex()` are those of `mimviz.judges.Board`, which is `board.board`.
    """

    title = t.Unicode("Judge saliency maps").tag(sync=True)
    methods = t.List(t.Unicode()).tag(sync=True)
    judges = t.List(t.Unicode()).tag(sync=True)
    about = t.Dict().tag(sync=True)
    """{judges: {name: {better, words, film}}, methods: {name: repr}, pictures: count, baselines: [names]}."""
    stopped = t.Bool(False).tag(sync=True)
    selected = t.List(t.Unicode(), []).tag(sync=True)
    """[method, judge, picture's number] of the cell that is looked into; empty for none."""
    known = t.Dict().tag(sync=True)
    """{cells: [[method, judge, mean, low, high, count, seconds, error]], differ: [[judge, judge, 0..1]], done, of, seconds}."""
    detail = t.Dict().tag(sync=True)
    """The selected cell: value, note, curve {x, y, x_label, y_label}, films [{name, frames [{share, score, top, start, size}]}]."""
    pictures_data = t.Bytes().tag(sync=True)
    """PNGs of `detail`, one after another."""
    wanted = t.Unicode("").tag(sync=True)
    """Set by the browser: "csv", "latex" or "manifest"; answered in `file`."""
    file = t.Dict().tag(sync=True)
    """{name, text} of an export."""
    problem = t.Dict().tag(sync=True)

    def __init__(
        self,
        model: Any = None,
        pictures: Any = PICTURES,
        *,
        methods: Any = METHODS,
        judges: Any = None,
        targets: Any = None,
        folder: Any = None,
        seed: int = 0,
        **options: Any,
    ):
        named = _defaults() if judges is None else {label(each): judge_of(each) for each in many(judges)}
        words = {label(each): lens_of(each) for each in many(methods)}
        self.board = Board(
            vit_of(model), many(pictures), methods=words, judges=named, targets=targets, folder=folder, seed=seed
        )
        super().__init__(
            methods=list(self.board.methods), judges=list(self.board.judges), about=self._about(), **options
        )
        self._show()
        self._ask()

    def table(self) -> dict[tuple[str, str], Summary]:
        """{(method, judge): Summary}; see `mimviz.judges.Board.table`."""
        return self.board.table()

    def disagreement(self) -> dict[tuple[str, str], float]:
        """{(judge, judge): 0..1}; see `mimviz.judges.Board.disagreement`."""
        return self.board.disagreement()

    def csv(self) -> str:
        """All cells, one a line."""
        return self.board.csv()

    def latex(self) -> str:
        """The table with intervals, the best of each judge in bold."""
        return self.board.latex()

    def manifest(self) -> dict[str, Any]:
        """What the numbers belong to."""
        return self.board.manifest()

    def film(self, method: str, judge: str, picture: int = 0) -> list[Film]:
        """The removal step by step, with the judge's own operator and in-painted by the bundled masked model; [] without steps."""
        return film(self.board, method, judge, picture)

    def close(self) -> None:
        """Stop, leave the page and let go of model, pictures and maps. What is in `folder` stays."""
        super().close()
        if hasattr(self, "board"):
            del self.board

    def __repr__(self) -> str:
        board = getattr(self, "board", None)
        return f"JudgeBoard({board.done} of {board.total} cells)" if board else "JudgeBoard(closed)"

    # --- asking ---

    def _ask(self) -> None:
        if not self.engine.closed:
            self.engine.ask(_Work(self.board, tuple(self.selected), self.stopped))

    @t.observe("stopped", "selected")
    def _changed(self, change: Any) -> None:
        if self.comm is not None and hasattr(self, "board"):
            self._ask()

    @t.validate("selected")
    def _possible(self, proposal: Any) -> list[str]:
        value = list(proposal["value"])
        right = not value or (
            len(value) == 3
            and value[0] in self.board.methods
            and value[1] in self.board.judges
            and value[2].isdigit()
            and int(value[2]) < len(self.board.pictures)
        )
        if not right:
            raise t.TraitError(
                f"selected is {value}, but [method, judge, picture] of this board is wanted, the picture 0.."
                f"{len(self.board.pictures) - 1}, or nothing"
            )
        return value

    @t.observe("wanted")
    def _export(self, change: Any) -> None:
        kind = change["new"]
        if not kind:
            return
        made = {
            "csv": lambda: ("board.csv", self.csv()),
            "latex": lambda: ("board.tex", self.latex()),
            "manifest": lambda: ("board.json", json.dumps(self.manifest(), indent=1)),
        }
        if kind in made:
            name, text = made[kind]()
            self.file = {"name": name, "text": text}
        self.wanted = ""

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        if answer.error:
            hint = "Choose another cell, or run the cell of the notebook again."
            self.problem = problem("The board could not go on", answer.error, hint)
            return
        if isinstance(answer.value, _Looked):
            self.pictures_data = answer.value.data
            self.detail = answer.value.detail
        if answer.value is not None:
            self._show()

    def _show(self) -> None:
        board = self.board
        cells = [
            [m, j, *map(_finite, (each.mean, each.low, each.high)), each.count, each.seconds, " ".join(each.errors)]
            for (m, j), each in board.table().items()
        ]
        differ = [[a, b, _finite(value)] for (a, b), value in board.disagreement().items()]
        seconds = sum(cell.seconds for cell in list(board.cells.values()))
        self.known = {"cells": cells, "differ": differ, "done": board.done, "of": board.total, "seconds": seconds}

    def _about(self) -> dict[str, Any]:
        told = {
            name: {"better": judge.better, "words": _first_words(judge), "film": hasattr(judge, "frames")}
            for name, judge in self.board.judges.items()
        }
        return {
            "judges": told,
            "methods": {name: repr(word) for name, word in self.board.methods.items()},
            "pictures": len(self.board.pictures),
            "baselines": ["RandomMap", "EdgeMap"],
            "device": str(next(self.board.model.parameters()).device),
        }


class _Looked:
    """A cell that was looked into."""

    def __init__(self, detail: dict[str, Any], data: bytes):
        self.detail, self.data = detail, data


class _Work:
    """A job: first what is looked at, then cell after cell, until somebody asks for something else."""

    def __init__(self, board: Board, selected: tuple[str, ...], stopped: bool):
        self.board, self.selected, self.stopped = board, selected, stopped

    def __call__(self, turn: Turn) -> bool | None:
        if self.selected:
            method, judge, picture = self.selected
            turn.share(self._looked(method, judge, int(picture)))
        if self.stopped:
            return True
        told = 0.0
        for _ in self.board.run():
            if turn.stale():
                return None
            if turn.ms() - told > 250:  # the table is told a few times a second, however small its cells are
                told = turn.ms()
                turn.share(True)
        return True

    def _looked(self, method: str, judge: str, picture: int) -> _Looked:
        score = self.board.score(method, judge, picture)
        films, data = [], b""
        for each in film(self.board, method, judge, picture):
            told, data = each.told(data)
            films.append(told)
        curve = score.curve and {
            "x": [_finite(v) for v in score.curve.x.tolist()], "y": [_finite(v) for v in score.curve.y[0].tolist()],
            "x_label": score.curve.x_label, "y_label": score.curve.y_label,
        }  # fmt: skip
        basics = {
            "selected": [method, judge, str(picture)], "value": _finite(float(score.value[0])), "note": score.note,
            "asked": asked_class(self.board.scene(picture)),
        }  # fmt: skip
        return _Looked({**basics, "curve": curve or {}, "films": films}, data)


def _defaults() -> dict[str, Any]:
    from ..zoo import load_mim

    painted = removal.Inpaint(load_mim("tiny"))
    two = {GREY: judges.Deletion(), PAINTED: judges.Deletion(painted)}
    return two | {name: getattr(judges, name)() for name in JUDGES}


def _first_words(judge: Any) -> str:
    return " ".join((type(judge).__doc__ or "").split("\n\n")[0].split())


def _finite(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None
