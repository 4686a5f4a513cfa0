"""The work behind a target explorer, for its worker thread: targets are asked once, patches again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ..core import Picture
from ..grammar.seeing import Sees
from ..grammar.target_space import TargetSpace, target_space
from ..vit import Encoder
from .engine import Turn
from .recipe_lab_told import packed
from .recipe_lab_views import Panel, map_panel, picture_panel
from .reconstruction import problem

NEAREST = 8


@dataclass(eq=False)
class Shelf:
    """What is known so far."""

    encoder: Encoder
    pictures: list[Picture]
    makers: dict[str, Callable[[Encoder], Any]]
    """{name: encoder → target}."""
    regions: Any = None
    spaces: dict[str, TargetSpace] = field(default_factory=dict)
    sees: dict[str, Sees] = field(default_factory=dict)
    problems: dict[str, BaseException] = field(default_factory=dict)

    def open(self, name: str) -> None:
        """Asks one target about all pictures; what it raises is kept."""
        encoder = self.encoder
        try:
            images = torch.cat([each.tensor(mean=encoder.mean, std=encoder.std) for each in self.pictures])
            images = images.to(next(encoder.parameters()).device)
            self.spaces[name] = target_space(
                self.makers[name](encoder), images, encoder.grid, encoder=encoder, name=name
            )
        except Exception as error:
            self.problems[name] = error


@dataclass(frozen=True)
class Asked:
    """What every target says about one patch."""

    query: tuple[int, int]
    panels: list[dict[str, Any]]
    pixels: bytes
    near: list[dict[str, Any]]


@dataclass(frozen=True)
class Met:
    """What the targets see, of those that were measured so far."""

    sees: dict[str, Sees]


@dataclass(frozen=True, eq=False)
class Question:
    """A job for the engine: one patch of one picture, looked for in picture `shown`."""

    shelf: Shelf
    query: tuple[int, int]
    shown: int

    def __call__(self, turn: Turn) -> Met | None:
        shelf = self.shelf
        for name in shelf.makers:
            if name not in shelf.spaces and name not in shelf.problems:
                shelf.open(name)
                if turn.stale():
                    return None
                turn.share(self._asked())
        if not turn.stale():
            turn.share(self._asked())
        for name, space in shelf.spaces.items():
            if turn.stale():
                return None
            if name not in shelf.sees:
                shelf.sees[name] = space.sees(shelf.regions)
                turn.share(Met(dict(shelf.sees)))
        return Met(dict(shelf.sees))

    def _asked(self) -> Asked:
        shelf = self.shelf
        panels, near = [], []
        for place, name in enumerate(shelf.makers):
            if space := shelf.spaces.get(name):
                panels += [(place, panel) for panel in self._panels(space)]
            near.append(self._near(name))
        told_pixels, told = packed(panels)
        return Asked(self.query, told, told_pixels, near)

    def _panels(self, space: TargetSpace) -> list[Panel]:
        index = self.query[0] if self.shown < 0 else self.shown
        meaning = f"what is to be predicted: {space.name}, drawn"
        drawn = picture_panel("drawn", "target", meaning, space.picture(index).numpy(), space.grid.shape)
        cosine = space.similar(*self.query).values[index]
        say = f"{space.rows.shape[-1]} numbers a patch" if not space.codes else f"{space.rows.shape[-1]} codes"
        alike = map_panel(
            "alike", "alike", "cosine of each patch to the one asked about", cosine, "cosine", signed=True, say=say
        )
        return [drawn, alike]

    def _near(self, name: str) -> dict[str, Any]:
        if name in self.shelf.problems:
            return {
                "near": [],
                "tied": 0,
                "problem": dict(problem("This target cannot be asked", self.shelf.problems[name], "")),
            }
        space = self.shelf.spaces.get(name)
        if space is None:
            return {"near": [], "tied": 0, "problem": {}}
        found = space.nearest(*self.query, count=NEAREST)
        values = space.similar(*self.query).values
        tied = int((values >= found[0].similarity - 1e-5).sum()) - 1 if found else 0
        return {"near": [[each.picture, each.patch, each.similarity] for each in found], "tied": tied, "problem": {}}
