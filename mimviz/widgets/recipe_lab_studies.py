"""Closer looks at one sentence on one picture, which take more than a pass: influence, many masks, a sweep of ratios, a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from ..core import Mask, Picture
from ..grammar.influence import by_gradient, leave_one_out
from ..grammar.search import searching
from ..grammar.sweep import many, sweep
from .recipe_lab_looks import decoder_looks
from .recipe_lab_views import Panel, everywhere_loss, map_panel, picture_panel

MASKS = 24
ROUNDS, SWAPS = 20, 16  # of a search
RATIOS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.85, 0.95)


@dataclass(frozen=True)
class Study:
    """Which closer look is wanted; "" = none. `query` is a patch's number, −1 = none."""

    name: str = ""
    query: int = -1


@dataclass(frozen=True)
class Part:
    """What is known so far: panels, words, and a mask that may be put on."""

    panels: list[Panel] = field(default_factory=list)
    words: str = ""
    mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """What is studied; `memo` keeps what is dear, by `key`, which is another after each training."""

    model: Any
    picture: Picture
    mask: Mask
    query: int
    memo: dict
    key: tuple


def study(
    wanted: Study, side: Any, picture: Picture, mask: Mask, memo: dict, stale: Callable[[], bool]
) -> Iterator[Part]:
    """The parts of a study, ever more complete; ends early when stale. ValueError for a study that there is not.

    A finished one is remembered until something is asked that it depends on: the mask itself, or only how much it hides.
    """
    if wanted.name not in STUDIES:
        raise ValueError(f"there is no study {wanted.name!r}; there are {', '.join(STUDIES)}")
    depends = (mask.to_rle(), wanted.query) if wanted.name in ASKS else (round(mask.ratio, 4),)
    same = (id(side), len(side.losses), hash(picture))
    known, part = memo.get(("study", wanted.name), (None, None))
    if known == (*same, *depends):
        yield part
        return
    for part in STUDIES[wanted.name](Subject(side.model, picture, mask, wanted.query, memo, (*same, mask.to_rle()))):
        if stale():
            return
        yield part
    memo["study", wanted.name] = ((*same, *depends), part)


def influence(subject: Subject) -> Iterator[Part]:
    """Click a hidden patch in the guess: which visible patches paint it, by leaving each out and by the gradient."""
    model, mask, query = subject.model, subject.mask, subject.query
    if query < 0 or query >= mask.hidden.shape[1] or not bool(mask.hidden[0, query]):
        yield Part(words="click a hidden patch in the panel “guess”")
        return
    slopes = by_gradient(model, subject.picture, mask, patches=[query])
    visible = mask.hidden[0].reshape(slopes.grid.shape)
    by_slope = _seen(slopes.on(query).values[0], visible)
    panel = map_panel(
        "slope",
        "gradient",
        "how strongly the guess there hangs on the pixels of each visible patch",
        by_slope,
        "‖∂ guess‖",
    )
    yield Part([panel], f"patch {query + 1}: leaving every visible patch out …")
    known, left = subject.memo.get("left out", (None, None))
    if left is None or known != subject.key:
        left = leave_one_out(model, subject.picture, mask)
        subject.memo["left out"] = subject.key, left
    change = _seen(left.on(query).values[0], visible)
    helps = _seen(left.on(query, helps=True).values[0], visible)
    panels = [
        map_panel(
            "change",
            "left out",
            "how much the guess there changes when a visible patch is hidden too",
            change,
            "RMS change",
        ),
        panel,
        map_panel(
            "helps",
            "helps",
            "how much the loss there rises without the patch; negative where it misleads",
            helps,
            "loss",
            signed=True,
        ),
    ]
    agree = _ranked(change[np.isfinite(change)], by_slope[np.isfinite(by_slope)])
    yield Part(panels, f"patch {query + 1}: rank correlation of leaving out and gradient {agree:+.2f}")


def many_masks(subject: Subject) -> Iterator[Part]:
    """One picture under many random masks that hide as much as this one: what the guesses agree on, and where they differ."""
    model, ratio = subject.model, subject.mask.ratio
    if model.reconstruct(subject.picture, subject.mask).view is None:
        yield from _many_losses(subject)
        return
    for count in (6, MASKS):
        found = many(model, subject.picture, Mask.random(model.grid, ratio=ratio, batch=count))
        error, spread = found.error.values[0], found.spread.values[0]
        agree = _ranked(spread.flatten().numpy(), error.flatten().numpy())
        yield Part(
            [
                picture_panel("mean", "mean guess", "the mean of all guesses", found.mean.array, model.grid.shape),
                map_panel("spread", "spread", "standard deviation of the guesses over the masks", spread, "RGB 0..1"),
                map_panel("error", "error of the mean", "RMS distance of the mean from the picture", error, "RGB 0..1"),
            ],
            f"{count} random masks that hide {ratio:.0%}; rank correlation of spread and error {agree:+.2f}",
        )  # fmt: skip


def _many_losses(subject: Subject) -> Iterator[Part]:
    """For targets that are no pictures: the loss of each patch."""
    model, found = subject.model, []
    for seed in range(MASKS):
        now = Mask.random(model.grid, ratio=subject.mask.ratio, seed=seed)
        found.append(everywhere_loss(model.reconstruct(subject.picture, now)).numpy())
        if len(found) not in (6, MASKS):
            continue
        values = np.stack(found)
        times = np.isfinite(values).sum(0)
        mean = np.where(times > 0, np.nansum(values, 0) / np.maximum(times, 1), np.nan)
        spread = np.sqrt(np.where(times > 1, np.nansum((values - mean) ** 2, 0) / np.maximum(times - 1, 1), np.nan))
        yield Part(
            [
                map_panel("mean", "mean loss", "mean loss of each patch over the masks that hide it", mean, "loss"),
                map_panel("spread", "spread", "standard deviation of the same", spread, "± loss"),
            ],
            f"{len(found)} random masks that hide {subject.mask.ratio:.0%}",
        )


def ratio_sweep(subject: Subject) -> Iterator[Part]:
    """The same picture with ever more of it hidden: what is hidden at one ratio is hidden at the next."""
    model, made = subject.model, []
    for ratio in RATIOS:
        found = sweep(model, subject.picture, ratios=[ratio], masks=4)
        outcome = found.outcomes[0]
        say = f"loss {float(found.loss.mean()):.3g} ± {float(found.loss.std()):.1g}"
        key, caption = f"sweep {ratio}", f"{ratio:.0%} hidden"
        if outcome.view is not None:
            meaning = "visible patches kept, hidden ones as the model guesses them"
            made.append(picture_panel(key, caption, meaning, outcome.pasted.array, model.grid.shape, say=say))
        else:
            made.append(map_panel(key, caption, "loss of each patch", everywhere_loss(outcome), "loss", say=say))
        yield Part(list(made), "mean and standard deviation of the loss over 4 masks; shown is the first")


def _search(wish: str) -> Callable[[Subject], Iterator[Part]]:
    def found(subject: Subject) -> Iterator[Part]:
        model = subject.model
        for now in searching(model, subject.picture, wish=wish, ratio=subject.mask.ratio, rounds=ROUNDS, swaps=SWAPS):  # type: ignore[arg-type]
            outcome = model.reconstruct(subject.picture, now.mask)
            losses = everywhere_loss(outcome)
            panels = [
                map_panel(
                    "found", "loss under it", "the loss of each patch under the mask that was found", losses, "loss"
                )
            ]
            if outcome.view is not None:
                array = outcome.masked.array
                panels.insert(
                    0,
                    picture_panel(
                        "mask",
                        f"{wish} mask",
                        "what it leaves to be seen",
                        array,
                        model.grid.shape,
                        blank=_flags(now.mask),
                        hatched=True,
                    ),
                )
            words = f"loss {now.start:.3g} → {now.loss:.3g} after {now.tried} masks that hide {subject.mask.ratio:.0%}"
            yield Part(panels, words, now.mask)

    effect = "hurts" if wish == "worst" else "helps"
    found.__doc__ = f"Greedy search for the mask that {effect} most at this ratio; put it on when you like."
    return found


def where_decoder_looks(subject: Subject) -> Iterator[Part]:
    """Click a hidden patch in the guess: where the decoder looks for it, block by block."""
    for panels, words in decoder_looks(subject.model, subject.picture, subject.mask, subject.query):
        yield Part(panels, words)


STUDIES: dict[str, Callable[[Subject], Iterator[Part]]] = {
    "which patch paints this one": influence,
    "where the decoder looks": where_decoder_looks,
    "many masks": many_masks,
    "ratio sweep": ratio_sweep,
    "worst mask": _search("worst"),
    "best mask": _search("best"),
}
"""By the name that the menu shows."""
ASKS = {"which patch paints this one", "where the decoder looks"}
"""Those that are asked about a patch: a click on the guess says which."""


def offered() -> list[dict[str, Any]]:
    """The menu: name, what it is, whether a click on a patch asks."""
    return [
        {"name": name, "hint": (made.__doc__ or "").split("\n")[0], "asks": name in ASKS}
        for name, made in STUDIES.items()
    ]


def _seen(values: Tensor, hidden: Tensor) -> np.ndarray:
    """Values of visible patches, NaN elsewhere."""
    return np.where(hidden.cpu().numpy(), np.nan, values.cpu().numpy())


def _flags(mask: Mask) -> bytes:
    return mask.array.astype(np.uint8).tobytes()


def _ranked(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one of the two is the same everywhere."""
    a, b = (each.ravel().argsort().argsort() - (each.size - 1) / 2 for each in (a, b))
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale else 0.0
