"""Patches whose places a model is asked, as a jigsaw: a heap, where the model puts them, where they belong."""

from __future__ import annotations

from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..core import Mask, Outcome, Picture, seeded
from .recipe_lab_views import Panel, picture_panel


def is_jigsaw(model: Any) -> bool:
    """Whether a model says where patches go: `seats` (DropPos, MP3), or `matches` of holes and patches (Selfie)."""
    return hasattr(model, "seats") or hasattr(model, "matches")


def jigsaw_panel(model: Any, shown: Tensor, outcome: Outcome) -> Panel:
    """The patches whose places are asked, shuffled; where the model puts them; where they belong."""
    grid = model.grid
    seats = seats_of(model, shown, outcome.mask)
    asked = (outcome.mask.predict[0].cpu() & (seats >= 0)).nonzero()[:, 0]
    lies = asked[torch.randperm(len(asked), generator=seeded(0))]
    moves = tuple(zip(asked.tolist(), lies.tolist(), seats[asked].tolist(), strict=True))
    right = int((seats[asked] == asked).sum())
    far = torch.stack([seats[asked] // grid.cols - asked // grid.cols, seats[asked] % grid.cols - asked % grid.cols])
    say = f"{right} of {len(asked)} on their place, {float(far.float().norm(dim=0).mean()) if len(asked) else 0:.1f} patches off"
    array = Picture.from_tensor(shown[:1, :3], mean=model.encoder.mean, std=model.encoder.std).array
    meaning = "patches whose places are asked: shuffled, where the model puts them, where they belong"
    blank = (seats < 0).to(torch.uint8).numpy().tobytes()
    return picture_panel(
        "jigsaw", "jigsaw", meaning, array, grid.shape, figure="jigsaw", moves=moves, say=say, blank=blank
    )


def seats_of(model: Any, shown: Tensor, mask: Mask) -> Tensor:
    """(N,): the place that each patch is given, −1 for one without. Matches become places by the best assignment of all."""
    if hasattr(model, "seats"):
        return model.seats(shown, mask)[0].cpu()
    chances, ids = model.matches(shown, mask)[0].cpu(), mask.hidden_ids[0].cpu()
    holes, tiles = linear_sum_assignment(-chances.clamp_min(1e-12).log().numpy())
    seats = torch.arange(mask.hidden.shape[1])  # who is visible has its place
    seats[ids[tiles]] = ids[holes]
    return seats
