"""Mask search: at a fixed ratio, the mask under which a masked model does worst or best on one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import Mask, keep_count, seeded
from ..vit import evaluating
from .model import MaskedModel

Wish = Literal["worst", "best"]


@dataclass(frozen=True, eq=False)
class Found:
    """The mask so far, its loss, `start` (the loss of the random mask it began with), and how many masks were tried."""

    mask: Mask
    loss: float
    start: float
    tried: int


def search(model: MaskedModel, picture, **wishes) -> Found:
    """The last of `searching`, with the same keywords."""
    found = None
    for found in searching(model, picture, **wishes):  # noqa: B007
        pass
    assert found is not None
    return found


def searching(
    model: MaskedModel,
    picture,
    *,
    wish: Wish = "worst",
    ratio: float = 0.75,
    rounds: int = 30,
    swaps: int = 32,
    seed: int = 0,
) -> Iterator[Found]:
    """Greedy swaps, a batch at a time: yields what is known after each of the `rounds`; stop whenever you like.

    Each round tries `swaps` neighbours of the mask, a few hidden patches (many at first, one in the end) exchanged for as many
    visible ones, in one pass, and keeps the best if it is better. The loss is the mean over the patches to be predicted, without
    further terms; the ratio never changes. Deterministic for one seed and machine. ValueError for nothing or everything hidden.
    """
    if wish not in ("worst", "best"):
        raise ValueError(f"wish is {wish!r}, but 'worst' or 'best' is wanted")
    if rounds < 1 or swaps < 1:
        raise ValueError(f"rounds is {rounds} and swaps {swaps}, but at least one of each is wanted")
    grid, generator, sign = model.grid, seeded(seed), -1 if wish == "best" else 1
    N, kept = grid.count, keep_count(grid.count, ratio)
    if not 0 < kept < N:
        raise ValueError(f"ratio is {ratio}, so {N - kept} of {N} patches are hidden: there is nothing to exchange")
    images = model.prepare(picture)
    hidden = Mask.from_noise(torch.rand(1, N, generator=generator), ratio=ratio).hidden[0]
    loss = start = float(losses(model, images, Mask(hidden[None]))[0])
    for index in range(rounds):
        most = max(min(kept, N - kept) // (4 * (index + 1)), 1)
        tried = torch.stack([_swapped(hidden, most, generator) for _ in range(swaps)])
        found = sign * losses(model, images, Mask(tried))
        best = int(found.argmax())
        if found[best] > sign * loss:
            hidden, loss = tried[best], float(sign * found[best])
        yield Found(Mask(hidden[None], shape=grid.shape), loss, start, 1 + swaps * (index + 1))


@torch.no_grad()
def losses(model: MaskedModel, images: Float[Tensor, "1 3 H W"], masks: Mask, *, batch: int = 64) -> Tensor:
    """(M,): the loss of one picture under each of M masks, over the patches to be predicted; on the processor.

    Masks that hide equal numbers go together, so a model that drops patches takes any masks.
    """
    counts, found = masks.hidden.sum(1), torch.zeros(len(masks))
    with evaluating(model):
        for count in counts.unique():
            for rows in (counts == count).nonzero()[:, 0].split(batch):
                part = Mask(masks.hidden[rows], masks.predict[rows], model.grid.shape).to(images.device)
                outcome = model(images.expand(len(rows), -1, -1, -1), part)
                wanted = part.predict.gather(1, outcome.where)
                found[rows] = ((outcome.patch_loss * wanted).sum(1) / wanted.sum(1)).float().cpu()
    return found


def _swapped(hidden: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """(N,): 1 to `most` hidden patches shown, as many visible ones hidden."""
    count = int(torch.randint(1, most + 1, (), generator=generator))
    other = hidden.clone()
    for value in (True, False):
        places = (hidden == value).nonzero()[:, 0]
        other[places[torch.randperm(len(places), generator=generator)[:count]]] = not value
    return other
