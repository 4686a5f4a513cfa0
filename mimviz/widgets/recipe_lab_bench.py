"""The bench of a recipe lab, for its worker thread alone: the models of its sentences, looked at and trained in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..core import Mask, Outcome, Picture
from ..data import Batches, crops
from ..grammar import MaskedModel
from ..grammar.collapse import Collapse
from ..train import Step, fit
from ..vit import evaluating
from .recipe_lab_inside import Sample, health, inside
from .recipe_lab_sentence import GIVEN, OWN, Sentence, Unsayable, encoders
from .recipe_lab_views import Panel, carried, panels
from .recipe_lab_words import SLOTS, words

BATCH = 8
TOLD = 1e-3  # how far rows of probabilities may be from summing to 1


@dataclass(eq=False)
class Side:
    """One sentence with its model, and how far that was trained here."""

    asked: Sentence
    sentence: Sentence
    """As built: another encoder stands here where the asked one was refused."""
    model: MaskedModel
    trained: list[str]
    """Of its parts beside the encoder that come trained."""
    note: str = ""
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stream: Iterator[Step] | None = None

    @property
    def weights(self) -> str:
        """Where the numbers in the model are from."""
        name = self.sentence.encoder
        known = name not in (GIVEN,) and not name.startswith("small ")
        encoder = (
            f"encoder: {name}'s weights" if known else f"encoder: {'yours' if name == GIVEN else f'{name}, untrained'}"
        )
        decoder = f"decoder: {self.trained[0]}'s weights" if self.trained else "decoder: untrained"
        steps = f" · trained here for {len(self.losses)} steps" if self.losses else ""
        return f"{encoder} · {decoder}{steps}"


@dataclass(frozen=True, eq=False)
class Look:
    """What one side made of picture and mask."""

    side: Side
    outcome: Outcome
    panels: list[Panel]
    ms: float
    collapse: Collapse | None = None


class Bench:
    """Builds models when their sentences change, keeps them while they stand, trains them in turns."""

    def __init__(self, given: Any, batches: Any):
        self.given, self.batches = given, batches
        self.sides: list[Side | None] = [None, None]
        self.memo: dict[Any, Any] = {}

    def side(self, place: int, sentence: Sentence, picture: Picture, mask: Mask | None) -> Side:
        """The model of a sentence. Where its encoder is refused, the first that is not; raises what the words raise."""
        known = self.sides[place]
        if known is not None and known.asked.key == sentence.key:
            return known
        self.forget(place)
        try:
            made = self._made(sentence, sentence, picture, mask)
        except Exception as error:
            if sentence.recipe == OWN or self._fits_otherwise(sentence):
                raise
            made = self._elsewhere(sentence, picture, mask, error)
        self.sides[place] = made
        return made

    def encoder(self, sentence: Sentence) -> Any:
        """The encoder of a sentence, new."""
        return sentence.steps()[0][1].value({"encoder": self.given})

    def forget(self, place: int) -> None:
        """Let go of a side, and of what was kept for it."""
        side, self.sides[place] = self.sides[place], None
        for name in ("sample", "health"):
            self.memo.pop((name, id(side)), None)

    def _made(self, asked: Sentence, sentence: Sentence, picture: Picture, mask: Mask | None, note: str = "") -> Side:
        model, trained = sentence.build(deepcopy(self.given))
        side = Side(asked, sentence, model, trained, note)
        trial = mask if mask is not None else Mask.random(model.grid, ratio=0.6)
        check(model, model.reconstruct(picture, carried(trial, model.grid)))
        return side

    def _fits_otherwise(self, sentence: Sentence) -> bool:
        """Whether the recipe takes this encoder with other options: then the options are to blame."""
        try:
            replace(sentence, options={}).build(self.given)
        except Exception:
            return False
        return bool(sentence.options)

    def _elsewhere(self, sentence: Sentence, picture: Picture, mask: Mask | None, error: Exception) -> Side:
        for name in encoders():
            if name == sentence.encoder:
                continue
            note = f"{sentence.recipe} does not take the encoder {sentence.encoder!r} ({error}). It stands on {name!r} here"
            try:
                return self._made(sentence, replace(sentence, encoder=name), picture, mask, note)
            except Exception:
                continue
        raise error

    def look(self, side: Side, picture: Picture, mask: Mask, statistics: str, *, exact: bool, seed: int = 0) -> Look:
        """Reconstruct, and draw what came of it."""
        began = time.perf_counter()
        model = side.model
        outcome = model.reconstruct(picture, carried(mask, model.grid), statistics=statistics)  # type: ignore[arg-type]
        check(model, outcome)
        ms = 1000 * (time.perf_counter() - began)
        found = None
        with evaluating(model), torch.no_grad():
            images = model.prepare(picture)
            made = list(panels(model, images, outcome, exact=exact, seed=seed))
            if exact:
                sample = self._once("sample", (id(side), hash(picture)), lambda: Sample.of(model, picture))
                made += inside(model, images, outcome, sample)
                key = (id(side), len(side.losses), hash(picture))
                found = self._once("health", key, lambda: health(model, sample))
        return Look(side, outcome, made, ms, found)

    def _once(self, name: str, key: tuple, make: Callable[[], Any]) -> Any:
        """What was made for this key and side before, else new; one for each side is kept."""
        known = self.memo.setdefault((name, key[0]), (None, None))
        if known[0] != key:
            self.memo[name, key[0]] = known = key, make()
        return known[1]

    # --- training ---

    def train(self, steps: int, lr: float) -> bool:
        """One step of every side; False when all of them have come to the end of their schedule."""
        going = False
        for side in self.sides:
            if side is None:
                continue
            if side.stream is None:
                side.stream = fit(side.model, self._batches(side.model), steps=steps, lr=lr, seed=len(side.losses))
            try:
                step = next(side.stream, None)
            except Exception:
                self.stop()
                raise
            if step is not None:
                side.losses.append(step.loss)
                side.seconds += step.seconds
                going = True
        return going

    def stop(self) -> None:
        """End the schedules; the weights stay."""
        for side in self.sides:
            if side is not None and side.stream is not None:
                side.stream.close()  # type: ignore[attr-defined]
                side.stream = None

    def _batches(self, model: MaskedModel) -> Any:
        if self.batches is not None:
            return self.batches
        grid, encoder = model.grid, model.encoder
        images = crops(grid.height, grid.width)
        return Batches(images, BATCH, mean=encoder.mean, std=encoder.std)

    def close(self) -> None:
        self.stop()
        self.sides, self.memo = [None, None], {}
        self.given = self.batches = None


def check(model: Any, outcome: Outcome) -> None:
    """Raises Unsayable for an outcome that a computer can compute and that yet makes no sense."""
    guess, truth = outcome.guess, outcome.truth
    if guess.shape[:2] != truth.shape[:2] or outcome.patch_loss.shape != outcome.where.shape:
        raise Unsayable(
            f"the decoder guesses {tuple(guess.shape[1:])} rows and numbers, but the target has {tuple(truth.shape[1:])}: "
            "another decoder or target is wanted"
        )
    if getattr(model.loss, "__name__", "") != "cross_entropy" or not truth.is_floating_point():
        return
    if float(truth.min()) < 0 or float((truth.sum(-1) - 1).abs().max()) > TOLD:
        word = type(model.target).__name__
        raise Unsayable(
            f"cross_entropy compares codes or probabilities, but {word} gives other numbers: take squared or absolute"
        )


def refusals(
    sentence: Sentence, encoder: Any, picture: Picture, mask: Mask, stale: Any
) -> dict[str, dict[str, str]] | None:
    """For every slot of a sentence of words over this encoder: {word: why it does not go with the others}; None: no time was left.

    A sentence that cannot be said itself is looked at in the same way: what is not listed would mend it.
    """
    found: dict[str, dict[str, str]] = {}
    for slot in SLOTS:
        found[slot] = {}
        for name in words(slot):
            if stale():
                return None
            if name == sentence.words[slot]["word"]:
                continue
            other = replace(sentence, encoder=GIVEN, words={**sentence.words, slot: {"word": name}})
            try:
                model, _ = other.checked().build(encoder)
                check(model, model.reconstruct(picture, carried(mask, model.grid)))
            except Exception as error:
                found[slot][name] = str(error)
    return found
