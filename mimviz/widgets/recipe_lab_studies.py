"""Closer looks at one sentence on one picture, which take more than a pass: many masks, a sweep of ratios …"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import Mask, Picture
from .recipe_lab_views import Panel, everywhere_loss, map_panel, picture_panel

MASKS = 24
RATIOS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.85, 0.95)
Parts = Iterator[tuple[list[Panel], str]]


@dataclass(frozen=True)
class Study:
    """Which closer look is wanted; "" = none. `query` is a patch's number, −1 = none."""

    name: str = ""
    query: int = -1


def study(wanted: Study, look: Any, picture: Picture, mask: Mask, memo: dict, stale: Callable[[], bool]) -> Parts:
    """Panels and words, a part at a time; ends early when stale. ValueError for a study that there is not."""
    if wanted.name not in STUDIES:
        raise ValueError(f"there is no study {wanted.name!r}; there are {', '.join(STUDIES)}")
    for part in STUDIES[wanted.name](wanted, look.side.model, picture, mask):
        if stale():
            return
        yield part


def many_masks(wanted: Study, model: Any, picture: Picture, mask: Mask) -> Parts:
    """The loss of each patch over many random masks that hide as much as the painted one: its mean and its spread."""
    ratio = mask.ratio
    found = []
    for seed in range(MASKS):
        now = Mask.random(model.grid, ratio=ratio, seed=seed)
        found.append(everywhere_loss(model.reconstruct(picture, now)).numpy())
        if len(found) in (4, 12, MASKS):
            values = np.stack(found)
            seen = np.isfinite(values).sum(0)
            mean = np.where(seen, np.nansum(values, 0) / np.maximum(seen, 1), np.nan)
            spread = np.sqrt(np.where(seen > 1, np.nansum((values - mean) ** 2, 0) / np.maximum(seen - 1, 1), np.nan))
            yield (
                [
                    map_panel(
                        "mean",
                        "mean loss",
                        f"mean loss of each patch over {len(found)} masks that hide it",
                        mean,
                        "loss",
                    ),
                    map_panel(
                        "spread",
                        "spread",
                        "standard deviation of the same: what the other hidden patches change",
                        spread,
                        "± loss",
                    ),
                ],
                f"{len(found)} random masks that hide {ratio:.0%}",
            )


def ratio_sweep(wanted: Study, model: Any, picture: Picture, mask: Mask) -> Parts:
    """The same picture with ever more of it hidden, by nested random masks."""
    made: list[Panel] = []
    for ratio in RATIOS:
        outcome = model.reconstruct(picture, Mask.random(model.grid, ratio=ratio, seed=0))
        say = f"loss {float(outcome.loss):.3g}"
        key, caption, meaning = (
            f"sweep {ratio}",
            f"{ratio:.0%} hidden",
            "visible patches kept, hidden ones as the model guesses them",
        )
        if outcome.view is not None:
            made.append(picture_panel(key, caption, meaning, outcome.pasted.array, model.grid.shape, say=say))
        else:
            made.append(map_panel(key, caption, "loss of each patch", everywhere_loss(outcome), say))
        yield made, "one order of patches, so that each mask holds the one before"


STUDIES: dict[str, Callable[[Study, Any, Picture, Mask], Parts]] = {
    "many masks": many_masks,
    "ratio sweep": ratio_sweep,
}
"""By the name that the menu shows."""
ASKS: set[str] = set()
"""Those that are asked about a patch: a click on the guess says which."""


def offered() -> list[dict[str, Any]]:
    """The menu: name, first sentence, whether a click on a patch asks."""
    return [
        {"name": name, "hint": (made.__doc__ or "").split("\n")[0], "asks": name in ASKS}
        for name, made in STUDIES.items()
    ]
