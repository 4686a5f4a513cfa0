"""Recipes of masked image modelling, word by word: composed, painted on, compared and trained a little."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import traitlets as t

from ..core import Grid, Outcome, Picture
from ..data import image
from ..grammar import MaskedModel
from ..vit import Encoder
from .engine import Answer
from .painted import fitted
from .recipe_lab_bench import Bench
from .recipe_lab_masks import Drawing, strategies
from .recipe_lab_question import Progress, Question, Refused, Shown, Studied
from .recipe_lab_sentence import GIVEN, TRAINED, Sentence
from .recipe_lab_studies import Study, offered
from .recipe_lab_told import catalogue, codes, forms, packed, reported
from .recipe_lab_training import TrainedHere
from .reconstruction import problem


class RecipeLab(TrainedHere, bundle="recipe_lab"):
    """Choose a recipe, or compose *where · how · encoder · decoder · target · loss*, and see every step of it on a picture.

    Parameters
    ----------
    picture : anything `mimviz.image` takes; fitted to the encoder's grid.
    recipe : the name of one of `mimviz.recipes`, "compose", or a sentence as `lab.said` holds it; a list of two compares them.
    encoder : an `Encoder` of yours (copied, so that training leaves it alone), or one of the names in the menu. The default is that
        of the bundled "tiny", so that the first picture means something; recipes that refuse it stand on the first that they take,
        and say so.
    batches : what "Train" trains on: anything that `mimviz.fit` takes. Without it, random crops of the bundled pictures.
    mask, strategy, ratio, seed : as in MaskPainter. Strategies are also the sentence's "own word" and every lens ("lens: Rollout").
    title : a caption.

    `lab.recipe` and `lab.said` read and set what is said, `lab.outcome` (and `lab.outcomes`) is what came of it, `lab.model` the
    MaskedModel itself, `lab.sentence` the whole as Python that runs. `lab.train(steps)`, `lab.pause()`, `lab.stop()`,
    `lab.fresh()`; `lab.wait()` blocks until everything asked is there, a training included. `lab.losses` are the curves.
    """

    title = t.Unicode("Recipe lab").tag(sync=True)
    said = t.List(t.Dict()).tag(sync=True, from_json=lambda data, lab: lab._heard(data))
    """One or two sentences: {recipe, encoder, options, words}."""
    catalogue = t.Dict().tag(sync=True)
    """{recipes, encoders, studies, lenses}: what the menus offer."""
    forms = t.List(t.Dict()).tag(sync=True)
    """For each sentence: its paper, and the controls of its options or of its words, with words that are refused and why."""
    panels = t.List(t.Dict()).tag(sync=True)
    """{place, key, caption, meaning, rows, cols, height, width, map, unit, signed, hatched, say, start, size, blank}."""
    pixels = t.Bytes().tag(sync=True)
    """What `panels` point into."""
    codes = t.List(t.Unicode()).tag(sync=True)
    """Each sentence as Python."""
    study = t.Unicode("").tag(sync=True)
    query = t.Int(-1).tag(sync=True)
    """The patch that a study is asked about; −1 = none."""
    studied = t.Dict().tag(sync=True)
    """{name, words, problem, panels, mask}: what the closer look has brought; `study_pixels` holds its data."""
    study_pixels = t.Bytes().tag(sync=True)

    outcome: Outcome | None = None
    """The exact Outcome of the first sentence; None while there is a problem."""
    outcomes: tuple[Outcome | None, ...] = ()

    def __init__(
        self,
        picture: Any = "cat",
        recipe: Any = "mae",
        *,
        encoder: Encoder | str | None = None,
        batches: Iterable | None = None,
        mask: Any = None,
        strategy: str = "random",
        ratio: float = 0.75,
        seed: int = 0,
        **options: Any,
    ):
        given = encoder if isinstance(encoder, Encoder) else None
        if encoder is not None and given is None and not isinstance(encoder, str):
            raise TypeError(
                f"encoder is {type(encoder).__name__}, but an Encoder is wanted (mimviz.encoder(...)) or a name"
            )
        self._source: Any = image(picture)
        self._name = picture if isinstance(picture, str) else None
        self._bench = Bench(given, batches)
        self._encoder = GIVEN if given is not None else encoder or TRAINED
        self._asked: Any = None
        self._drawing: Drawing | None = None
        self._refused: list[dict] = []
        sentences = self._sentences(recipe if isinstance(recipe, (list, tuple)) else [recipe])
        side = self._bench.side(
            0, sentences[0], self._source, None
        )  # at once, so that a mistake is raised in its own cell
        self._grid: Grid = side.model.grid
        self._picture: Picture | None = fitted(self._source, self._grid)
        if strategy not in (names := strategies()):
            raise ValueError(f"strategy is {strategy!r}, but there are {', '.join(names)}")
        hidden = bytes(self._grid.count) if mask is None else self._bytes(mask)
        super().__init__(
            **{name: getattr(self._grid, name) for name in ("rows", "cols", "height", "width")},
            **{"strategies": names, "strategy": strategy, "ratio": ratio, "seed": seed},
            hidden=hidden,
            original=self._picture.to_png(),
            catalogue=catalogue(given is not None, offered()),
            said=[asdict(each) for each in sentences],
            trained_on="on random crops of the bundled pictures" if batches is None else "on your batches",
            **options,
        )
        if mask is None:
            self._drawing = Drawing(strategy, ratio, seed)
        self._say()
        self._ask()

    # --- for scripts ---

    @property
    def recipe(self) -> str:
        """The first sentence's recipe, "compose" for one of words. Assign a name, or a dict as in `said`."""
        return self.said[0]["recipe"]

    @recipe.setter
    def recipe(self, recipe: Any) -> None:
        self.said = [asdict(self._sentences([recipe])[0]), *self.said[1:]]

    def compare(self, recipe: Any) -> None:
        """Put a second sentence beside the first, on the same picture under the same mask; None takes it away."""
        self.said = self.said[:1] if recipe is None else [self.said[0], asdict(self._sentences([recipe])[0])]

    @property
    def model(self) -> MaskedModel:
        """Of the first sentence, as trained here; wait() first where a sentence was just changed."""
        side = self._bench.sides[0]
        if side is None:
            raise RuntimeError(
                "there is no model: the sentence could not be built, or the lab was closed. See lab.problem"
            )
        return side.model

    @property
    def sentence(self) -> str:
        """The first sentence as Python: run, it makes the same model, untrained here, and the same outcome on this mask."""
        return self.codes[0]

    def load(self, source: Any) -> None:
        """Take another picture and keep the mask; raises what `mimviz.image` raises, and then nothing has changed."""
        picture = image(source)
        with self.together():
            self._source, self._picture = picture, fitted(picture, self._grid)
            self._name = source if isinstance(source, str) else None
            self.original = self._picture.to_png()
            self._asked = None
            self._ask()

    def close(self) -> None:
        """Stop, leave the page and let go of models, pictures and outcomes; the mask stays readable."""
        super().close()
        self._bench.close()
        self._picture = self._source = self.outcome = self._asked = None
        self.outcomes = ()

    def __repr__(self) -> str:
        return f"RecipeLab({' | '.join(each['recipe'] for each in self.said)}; {sum(self.hidden)} of {self._grid.count} hidden)"

    # --- asking ---

    def _sentences(self, said: Iterable) -> list[Sentence]:
        given = [{"recipe": each} if isinstance(each, str) else each for each in said]
        made = [Sentence.of({"encoder": self._encoder, **each} if isinstance(each, dict) else each) for each in given]
        if not 1 <= len(made) <= 2:
            raise ValueError(f"{len(made)} sentences are given, but one or two are wanted")
        return made

    def _heard(self, data: Any) -> list[dict]:
        """What a browser says; what cannot be said is refused with the reason, and the browser gets the last sentence back."""
        try:
            return [asdict(each) for each in self._sentences(data)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._refuse("This cannot be said", error, "The sentence before it is still here.")
            self.send_state("said")
            return self.said

    @t.validate("said")
    def _sayable(self, proposal: Any) -> list[dict]:
        try:
            return [asdict(each) for each in self._sentences(proposal["value"])]
        except (ValueError, KeyError, TypeError) as error:
            raise t.TraitError(f"this cannot be said: {error}") from error

    @t.observe("said", "study", "query", "training")
    def _said(self, change: Any) -> None:
        if self._picture is None or self.comm is None:
            return
        if change["name"] == "said":
            self._refused = []
            self._say()
        self._ask()

    @t.observe("draw")
    def _draw(self, change: Any) -> None:
        if self._picture is not None:
            self._drawing, self._asked = Drawing(self.strategy, self.ratio, self.seed), None
            self._ask()

    @t.observe("hidden")
    def _painted(self, change: Any) -> None:
        self._drawing = None  # the hand, or a script, has been quicker

    def _ask(self, do: str = "") -> None:
        if self._picture is None or self.comm is None or not self.said:
            return
        question = self._question(do)
        if do or question.key != self._asked:
            if self._asked is None or self._asked[0] != question.hidden:
                self._refusal = None
            self._asked = question.key
            self.engine.ask(question)

    def _question(self, do: str = "") -> Question:
        return Question(
            self._bench, self._sentences(self.said), self._source, self._grid, self.hidden, self.statistics,
            self.stroke, exact=not self.dragging, seed=self.seed, drawing=self._drawing, study=Study(self.study, self.query),
            training=(self.steps, self.lr) if self.training else None, do=do,
        )  # fmt: skip

    # --- answering ---

    def answered(self, answer: Answer) -> None:
        question: Any = answer.job
        value = answer.value
        if answer.error:
            title = "No mask could be drawn" if question.drawing else "The lab has no picture of this"
            hint = "Choose another strategy, or paint on."
            if question.training:
                title, hint = "The training ended", "The weights are those before the step that failed."
            self.problem = problem(title, answer.error, hint)
            if question.training:
                self._refusal = self.problem  # the question without the training will find nothing wrong
            self.training, self._drawing = False, None
            self.report = reported(question, None, self.engine)
        elif isinstance(value, Shown):
            if question.exact or self.dragging:
                self._show(question, value)
        elif isinstance(value, Studied):
            self.study_pixels, told = packed([(0, each) for each in value.part.panels])
            found = value.part.mask
            self.studied = {
                "name": question.study.name,
                "words": value.part.words,
                "problem": value.problem,
                "panels": told,
            }
            self.studied |= {"mask": found.to_rle() if found is not None and found.shape == self._grid.shape else ""}
        elif isinstance(value, Refused):
            self._refused = value.words
            self._say()
        elif isinstance(value, Progress):
            self.curves = {"losses": value.losses, "pace": value.pace, "steps": question.training[0]}
            if not value.going:
                self._asked = None
                self.training = False

    def _show(self, question: Question, shown: Shown) -> None:
        self._grid = shown.grid
        if shown.grid != question.grid:
            self._picture, self.original = shown.picture, shown.picture.to_png()
            for name in ("rows", "cols", "height", "width"):
                setattr(self, name, getattr(shown.grid, name))
        if shown.mask is not None:
            self.hidden = shown.mask.array.astype(np.uint8).tobytes()
            self._drawing = None
            self._asked = self._question().key  # it is answered already
        if question.exact:
            self.outcomes = tuple(look.outcome if look else None for look in shown.looks[: len(question.sentences)])
            self.outcome = self.outcomes[0]
            self.normalized = any(look is not None and look.side.model.normalized for look in shown.looks)
            self.curves = {"losses": self.losses, "pace": self.curves.get("pace", 0.0), "steps": self.steps}
            self.codes = codes(question.sentences, self._bench, self._name, self.mask)
        self.pixels, self.panels = packed(shown.panels)
        self.problem = self._refusal or {}
        self.report = reported(question, shown, self.engine)
        self._tell_drag(question.exact)

    def _say(self) -> None:
        """What the page shows of the sentences: papers, controls, words that are refused."""
        self.forms = forms(self._sentences(self.said), self._refused)
