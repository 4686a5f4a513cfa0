"""What a model in training makes of chosen pictures: reconstructions, maps of lenses, class probabilities."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Mask, Picture, drawing
from ..train import Run
from ..vit import Scene, class_names
from .engine import Turn
from .given import lens_of
from .recipe_lab_views import Panel, guess_panel, loss_panel, map_panel, picture_panel, seen_panel
from .reconstruction import problem

TOP = 5  # classes
KEPT = 32_000_000  # bytes of frames that were shown


@dataclass(frozen=True)
class Place:
    """One picture as one run sees it: its panels, its most probable classes [(name, share)], and what could not be shown."""

    run: int
    picture: int
    panels: list[Panel]
    classes: list[tuple[str, float]] = field(default_factory=list)
    problems: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Frame:
    """What is on display: for each run the step it shows, whether that is exact, and all places. `seconds` it took to make."""

    steps: list[int | None]
    exact: list[bool]
    places: list[Place]
    seconds: float = 0.0


class Gallery:
    """Copies of the models of some runs, that take on the weights of any moment; frames that were shown are kept for a while."""

    def __init__(self, runs: list[Run], pictures: list[Picture], ratio: float):
        self.runs, self.pictures, self.ratio = runs, pictures, ratio
        self._copies: dict[int, nn.Module] = {}
        self._shown: OrderedDict[tuple, list[Place]] = OrderedDict()

    def places(self, run: int, step: int | None, lenses: tuple[str, ...]) -> tuple[int, bool, list[Place], float]:
        """(step, exact?, places, seconds) of a run as it is now (None), or as it was at the last kept moment up to `step`."""
        its = self.runs[run]
        began = time.perf_counter()
        if step is None:
            weights, at = its.at_rest(lambda: (_copied(its.model), len(its.history)))
            exact, waited = True, time.perf_counter() - began  # mostly for the end of a step: no work
        else:
            moments = list(its.moments)
            moment = ([each for each in moments if each.step <= step] or moments)[-1 if moments[0].step <= step else 0]
            at, exact, waited, weights = moment.step, moment.exact, 0.0, None
        key = (run, at, lenses)
        if key not in self._shown:
            model = self._model(run)
            model.load_state_dict(its.moments.weights(at) if weights is None else weights)
            self._shown[key] = [self._place(run, model, i, lenses) for i in range(len(self.pictures))]
            self._forget()
        self._shown.move_to_end(key)
        return at, exact, self._shown[key], time.perf_counter() - began - waited

    # --- inside ---

    def _model(self, run: int) -> nn.Module:
        if run not in self._copies:
            self._copies[run] = self.runs[run].at()
        return self._copies[run]

    def _forget(self) -> None:
        sizes = {key: sum(len(p.data) for place in places for p in place.panels) for key, places in self._shown.items()}
        while sum(sizes.values()) > KEPT and len(sizes) > 1:
            sizes.pop(self._shown.popitem(last=False)[0])

    def _place(self, run: int, model: Any, number: int, lenses: tuple[str, ...]) -> Place:
        picture = self.pictures[number]
        place = Place(run, number, [])
        try:
            if hasattr(model, "reconstruct"):
                mask = Mask.random(model.grid, ratio=self.ratio, seed=number)
                place.panels.extend(_reconstructed(model, picture, mask))
                scenes = [lambda: Scene(model.encoder, picture), lambda: Scene(model, picture, mask=mask)]
            else:
                vit = getattr(model, "vit", model)
                scene = Scene(vit, picture)
                place.panels.append(
                    picture_panel(
                        "picture", "picture", "as the model gets it", scene.pictures[0].array, scene.grid.shape
                    )
                )
                place.classes.extend(_probable(scene))
                scenes = [lambda: scene]
        except Exception as error:
            place.problems.append(problem("This picture could not be shown", error, ""))
            return place
        for name in lenses:
            try:
                place.panels.append(_map(name, scenes))
            except Exception as error:
                place.problems.append(problem(f"{name} gave no map", error, "Choose another lens."))
        return place


@dataclass(frozen=True, eq=False)
class Look:
    """A job for the engine: what `gallery` shows at `step`; None = now."""

    gallery: Gallery
    step: int | None
    lenses: tuple[str, ...]

    def __call__(self, turn: Turn) -> Frame | None:
        steps, exact, places, seconds = [], [], [], 0.0
        for run, its in enumerate(self.gallery.runs):
            if turn.stale():
                return None
            if its.model is None or (self.step is not None and not len(its.moments)):
                steps.append(None)
                exact.append(False)
                continue
            at, is_exact, found, took = self.gallery.places(run, self.step, self.lenses)
            steps.append(at)
            exact.append(is_exact)
            places += found
            seconds += took
        return Frame(steps, exact, places, seconds)


def _copied(model: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _reconstructed(model: Any, picture: Picture, mask: Mask) -> list[Panel]:
    with drawing(0, model.device), torch.no_grad():  # a recipe may add noise: not from the numbers of the training
        outcome = model.reconstruct(picture, mask)
        images = model.prepare(picture)
        return [
            *seen_panel(model, images, outcome, exact=False),
            guess_panel(model, outcome, exact=False),
            loss_panel(outcome),
        ]


def _map(name: str, scenes: list) -> Panel:
    """The lens on the first scene that it can read: the plain encoder, or the masked model and its loss."""
    lens = lens_of(name)
    for i, scene in enumerate(scenes):
        try:
            shown = scene()
            with drawing(0, shown.images.device):
                heat = lens(shown)
            break
        except (ValueError, TypeError):
            if i == len(scenes) - 1:
                raise
    meaning = f"{heat.by!r}" + ("" if i == 0 else ", of the loss on the masked picture")
    return map_panel(f"lens {name}", name, meaning, heat.values[0], "value", signed=heat.signed)


def _probable(scene: Scene) -> list[tuple[str, float]]:
    names = class_names(scene.model)
    best = scene.logits[0].float().softmax(-1).topk(min(TOP, scene.logits.shape[-1]))
    return [
        (names[i] if names else f"class {i}", p)
        for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
