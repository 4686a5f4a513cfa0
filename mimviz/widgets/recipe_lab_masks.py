"""How a recipe lab draws masks: by the sentence's own word, by every strategy of the grammar, and by what any lens points at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from .. import lenses
from ..core import Grid, Heatmap, Mask, Picture, seeded
from ..grammar import Frozen
from ..grammar.where import GUIDED, STRATEGIES, Highest
from ..vit import Scene
from ..zoo import load_encoder, load_vit

OWN_WORD = "own word"
LENS = "lens: "
JUDGE = "tiny-classifier"
"""Whose classes the lenses speak of, and who looks where a strategy wants a teacher and the sentence has none."""


def strategies() -> list[str]:
    """Names for a menu."""
    return [OWN_WORD, *STRATEGIES, *GUIDED, *(f"{LENS}{name}" for name in lenses.__all__)]


@dataclass(frozen=True)
class Drawing:
    """How a mask is to be drawn."""

    strategy: str
    ratio: float
    seed: int


@dataclass(frozen=True)
class Drawn:
    """A mask for one picture, and what its patches were ranked by where they were."""

    mask: Mask
    score: Heatmap | None = None


def drawn_by(
    drawing: Drawing, side: Any, picture: Picture, grid: Grid, memo: dict, stale: Callable[[], bool]
) -> Drawn | None:
    """One mask; `side` gives the own word. Maps of lenses are kept in `memo`. None where it was stale before it was done."""
    name, images = drawing.strategy, picture.tensor()
    if name == OWN_WORD:
        word = getattr(side and side.model, "where", None)
        if word is None:
            raise ValueError("this sentence has no where-word of its own: choose another strategy")
        images = side.model.prepare(picture)
    elif name in GUIDED:
        model = side.model
        teacher = model.teacher or Frozen(load_encoder(JUDGE), student=model.encoder)
        word, images = GUIDED[name](teacher, drawing.ratio), model.prepare(picture)
    elif name.startswith(LENS):
        heat = pointed(name.removeprefix(LENS), picture, grid, memo, stale)
        if heat is None:
            return None
        word = Highest(drawing.ratio, score=lambda *_: heat)
    else:
        word = STRATEGIES[name](drawing.ratio)
    with torch.no_grad():
        mask = word(images, grid, seeded(drawing.seed))
        score: Any = getattr(word, "score", None)
        return Drawn(mask, score(images, grid, seeded(drawing.seed)) if score is not None else None)


def pointed(name: str, picture: Picture, grid: Grid, memo: dict, stale: Callable[[], bool]) -> Heatmap | None:
    """Where a lens points on the bundled classifier: the magnitude of its map, averaged over each patch."""
    key = ("lens", name, hash(picture), grid)
    if key not in memo:
        lens = getattr(lenses, name)()
        scene = Scene(load_vit(JUDGE), picture)
        parts: Any = lens.stream(scene) if hasattr(lens, "stream") else iter([None])
        heat = None
        for part in parts:
            heat = lens(scene) if part is None else part.heat
            if stale():
                return None
        assert heat is not None
        values = F.adaptive_avg_pool2d(heat.values.detach().abs()[:, None].float(), grid.shape)[:, 0]
        memo[key] = Heatmap(values, by=lens)
    return memo[key]
