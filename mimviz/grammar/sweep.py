"""One picture under many masks: what the guesses agree on, and how they fade as more is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap, Mask, Outcome, Picture
from ..vit import evaluating
from .model import MaskedModel
from .search import losses


@dataclass(frozen=True, eq=False)
class Many:
    """`mean` and `spread` of the guesses over masks; only guesses at hidden patches count.

    spread (1, rows, cols): root of the mean variance per patch, RGB in 0..1: what the model is not sure of, as far as masks tell.
    error: root mean square distance of the mean from the picture. times (rows, cols): how often a patch was hidden; a patch that
    never was has spread and error 0 and shows the picture itself.
    """

    original: Picture
    mean: Picture
    spread: Heatmap
    error: Heatmap
    times: Tensor


@torch.no_grad()
def many(model: MaskedModel, picture, masks: Mask, *, batch: int = 32) -> Many:
    """Mean and spread over the masks of a batch, e.g. `Mask.random(model.grid, batch=64)`; for models whose guess is a picture."""
    grid, images = model.grid, model.prepare(picture)
    sums = torch.zeros(3, grid.count, grid.patch**2 * 3, dtype=torch.double)
    for hidden in grid.check(masks).hidden.split(batch):
        mask = Mask(hidden.to(images.device), shape=grid.shape)
        with evaluating(model):
            filled = model(images.expand(len(hidden), -1, -1, -1), mask).filled
        rgb = grid.patchify(_rgb(model, filled)).double().cpu()
        weight = hidden[..., None].double().cpu().expand_as(rgb)
        sums += torch.stack([(rgb * weight).sum(0), (rgb.square() * weight).sum(0), weight.sum(0)])
    total, squares, times = sums
    truth = grid.patchify(_rgb(model, images)).double().cpu()[0]
    mean = torch.where(times > 0, total / times.clamp_min(1), truth)
    spread = (squares / times.clamp_min(1) - mean.square()).clamp_min(0).masked_fill(times == 0, 0).mean(-1).sqrt()
    error = (mean - truth).square().mean(-1).sqrt()
    shown = [Picture(grid.unpatchify(each[None])[0].permute(1, 2, 0).float().numpy()) for each in (truth, mean)]
    maps = [
        Heatmap(each.reshape(1, *grid.shape).float(), by=f"{name} over {len(masks)} masks, RGB 0..1")
        for name, each in (("spread", spread), ("error of the mean", error))
    ]
    return Many(shown[0], shown[1], maps[0], maps[1], times[:, 0].reshape(grid.shape))


@dataclass(frozen=True, eq=False)
class Sweep:
    """`loss` (R, S) at each of the R `ratios` under S random masks; `outcomes`: one for each ratio, under its first mask."""

    ratios: tuple[float, ...]
    loss: Tensor
    outcomes: list[Outcome]


def sweep(
    model: MaskedModel, picture, *, ratios: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9), masks: int = 8, seed: int = 0
) -> Sweep:
    """One picture at more and more hidden. The masks of one seed are nested: what is hidden at one ratio is hidden at the next."""
    images, grid = model.prepare(picture), model.grid
    drawn = [Mask.random(grid, ratio=ratio, seed=seed, batch=masks) for ratio in ratios]
    loss = torch.stack([losses(model, images, each) for each in drawn])
    return Sweep(tuple(ratios), loss, [model.reconstruct(picture, each[0]) for each in drawn])


def _rgb(model: MaskedModel, images: Tensor) -> Tensor:
    mean, std = (torch.tensor(each).to(images)[:, None, None] for each in (model.encoder.mean, model.encoder.std))
    return (images * std + mean).clamp(0, 1)
