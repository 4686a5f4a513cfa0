"""One question to a recipe lab: these sentences on this picture under this mask; the answer comes in parts, the quickest first."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ..core import Grid, Mask, Outcome, Picture
from ..grammar.where.reading import average_distance, spectrum
from .engine import Turn
from .painted import fitted
from .recipe_lab_bench import Bench, Look, Side, refusals
from .recipe_lab_inside import told_of
from .recipe_lab_masks import OWN_WORD, Drawing, Drawn, drawn_by
from .recipe_lab_sentence import OWN, Sentence
from .recipe_lab_studies import Part, Study, study
from .recipe_lab_views import Panel, carried, ranked_panel
from .reconstruction import finite, problem, read_mask, speak_if_blank

SHARED = -1
"""The place of panels that belong to no side."""
PACE = 0.4  # seconds between two pictures while a model is trained


@dataclass(frozen=True, eq=False)
class Shown:
    """Panels and facts of every side; `mask` where one was drawn, `grid` and `picture` as the first side has them."""

    looks: list[Look | None]
    facts: list[dict[str, Any]]
    panels: list[tuple[int, Panel]]
    mask: Mask | None
    grid: Grid
    picture: Picture
    ms: float
    reading: str = ""
    """How far the hidden is from the visible, and how finely the two are mixed."""


@dataclass(frozen=True)
class Studied:
    """What a closer look has brought."""

    part: Part
    problem: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """For each side and slot: the words that do not go with the others, with the reason."""

    words: list[dict[str, dict[str, str]]]


@dataclass(frozen=True)
class Progress:
    """How far the training is."""

    losses: list[list[float]]
    pace: float
    going: bool


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


@dataclass(frozen=True, eq=False)
class Question:
    """A job for the engine. Its parts stop as soon as something newer was asked, and go on in the next question."""

    bench: Bench
    sentences: list[Sentence]
    source: Picture
    grid: Grid
    hidden: bytes
    statistics: str
    stroke: int
    exact: bool
    seed: int
    drawing: Drawing | None
    study: Study
    training: tuple[int, float] | None
    do: str = ""
    """"stop" ends the schedules first, "fresh" brings back the weights of the beginning."""

    @property
    def key(self) -> tuple:
        """Equal for questions with equal answers; the mask comes first."""
        said = tuple(each.key for each in self.sentences)
        return self.hidden, said, self.statistics, self.stroke, self.exact, self.drawing, self.study, self.training

    def __call__(self, turn: Turn) -> Shown | Done | None:
        if self.do:
            self.bench.stop()
        if self.do == "fresh":
            self.bench.sides = [None, None]
        sides, problems = self._sides()
        first = sides[0]
        grid = first.model.grid if first else self.grid
        picture = fitted(self.source, grid)
        drawn = self._drawn(first, picture, grid, turn)
        if self.drawing and drawn is None:
            return None
        mask = drawn.mask if drawn else read_mask(self.hidden, grid)
        speak_if_blank(mask, grid)
        shown = self._shown(turn, sides, problems, picture, grid, mask, drawn)
        if not self.exact:
            return shown
        turn.share(shown)
        looks = [look for look in shown.looks if look is not None]
        if looks and not turn.stale():
            self._closer(turn, looks[0], mask)
        if not turn.stale():
            self._refusals(turn, sides, picture, mask)
        if self.training and looks:
            self._train(turn, sides, problems, picture, grid, mask)
        return None if turn.stale() else Done()

    def _drawn(self, first: Side | None, picture: Picture, grid: Grid, turn: Turn) -> Drawn | None:
        """A mask where one is asked for, or where the old one was for another grid."""
        if self.drawing:
            return drawn_by(self.drawing, first, picture, grid, self.bench.memo, turn.stale)
        if grid != self.grid:
            return Drawn(carried(read_mask(self.hidden, self.grid), grid))
        return None

    def _sides(self) -> tuple[list[Side | None], list[BaseException | None]]:
        sides: list[Side | None] = [None, None]
        problems: list[BaseException | None] = [None, None]
        for place, sentence in enumerate(self.sentences):
            try:
                sides[place] = self.bench.side(place, sentence, self.source, None)
            except Exception as error:
                problems[place] = error
        if len(self.sentences) < 2:
            self.bench.forget(1)
        return sides, problems

    def _shown(
        self, turn: Turn, sides, problems, picture: Picture, grid: Grid, mask: Mask, drawn: Drawn | None
    ) -> Shown:
        looks: list[Look | None] = [None, None]
        for place, side in enumerate(sides):
            if side is None:
                continue
            try:
                looks[place] = self.bench.look(
                    side, self.source, mask, self.statistics, exact=self.exact, seed=self.seed
                )
            except Exception as error:
                problems[place] = error
        facts = [_facts(looks[i], problems[i]) for i in range(len(self.sentences))]
        made = [(place, panel) for place, look in enumerate(looks) if look for panel in look.panels]
        if drawn:
            own = self.drawing is not None and self.drawing.strategy == OWN_WORD  # shown on its side
            self.bench.memo["ranked"] = (drawn.mask, None if own else drawn.score)
        of, score = self.bench.memo.get("ranked", (None, None))
        if self.exact and score is not None and of == mask:
            made.append((SHARED, ranked_panel(score)))
        return Shown(
            looks,
            facts,
            made,
            drawn and drawn.mask,
            grid,
            picture,
            turn.ms(),
            _reading(mask, grid) if self.exact else "",
        )

    def _closer(self, turn: Turn, look: Look, mask: Mask) -> None:
        if not self.study.name:
            return
        try:
            model, memo = look.side.model, self.bench.memo
            for part in study(self.study, look.side, self.source, carried(mask, model.grid), memo, turn.stale):
                turn.share(Studied(part))
        except Exception as error:
            said = dict(problem(f"“{self.study.name}” gave nothing", error, "Choose another study."))
            turn.share(Studied(Part(), said))

    def _refusals(self, turn: Turn, sides: list[Side | None], picture: Picture, mask: Mask) -> None:
        found: list[dict] = [{} for _ in self.sentences]
        for place, (sentence, side) in enumerate(zip(self.sentences, sides, strict=False)):
            if sentence.recipe != OWN:
                continue
            key = ("refusals", str({slot: each["word"] for slot, each in sentence.words.items()}), sentence.encoder)
            if key not in self.bench.memo:
                encoder = side.model.encoder if side else self.bench.encoder(sentence)
                reasons = refusals(sentence, encoder, picture, mask, turn.stale)
                if reasons is None:
                    return
                self.bench.memo[key] = reasons
            found[place] = self.bench.memo[key]
        turn.share(Refused(found))

    def _train(self, turn: Turn, sides, problems, picture: Picture, grid: Grid, mask: Mask) -> None:
        assert self.training
        told, going = time.monotonic(), True
        while going and not turn.stale():
            going = self.bench.train(*self.training)
            if going and time.monotonic() - told < PACE:
                continue
            turn.share(self._progress(going))
            turn.share(self._shown(turn, sides, problems, picture, grid, mask, None))
            told = time.monotonic()
        if not going:
            self.bench.stop()
        turn.share(self._progress(going))

    def _progress(self, going: bool) -> Progress:
        sides = [side for side in self.bench.sides if side is not None]
        seconds = sum(side.seconds for side in sides)
        steps = sum(len(side.losses) for side in sides)
        return Progress([list(side.losses) for side in sides], steps / seconds if seconds else 0.0, going)


def _reading(mask: Mask, grid: Grid) -> str:
    distance, centre = float(average_distance(mask, grid)[0]), spectrum(mask).centre
    return f"AvgDist {distance:.1f} px, {centre:.2f} periods per patch"


def _facts(look: Look | None, error: BaseException | None) -> dict[str, Any]:
    """What is said of one side, as JSON takes it."""
    if look is None or error is not None:
        said = (
            problem("This sentence gives no picture", error, "Change a word or an option; the others stay.")
            if error
            else {}
        )
        return {"problem": dict(said)}
    outcome: Outcome = look.outcome
    return {
        "problem": {},
        "loss": finite(outcome.loss),
        "terms": {name: finite(value) for name, value in outcome.terms.items()},
        "psnr": finite(outcome.psnr) if outcome.view is not None else None,
        "ms": look.ms,
        "parameters": sum(each.numel() for each in look.side.model.parameters()),
        "weights": look.side.weights,
        "note": look.side.note,
        "leaks": outcome.leaks,
        "said": outcome.note,
        "encoder": look.side.sentence.encoder,
        "device": str(look.side.model.device),
        "collapse": told_of(look.collapse, trained=bool(look.side.losses)),
    }
