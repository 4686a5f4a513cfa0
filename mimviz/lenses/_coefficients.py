"""A mask over what a picture is made of in some basis, by gradient: few coefficients that keep the class while noise stands for
the others (Kolek et al., CVPR 2023, equation 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..core import seeded
from ..vit import Scene
from ..vit.evaluating import evaluating
from ._probing import Probe

if TYPE_CHECKING:
    from .wavelet_x import WaveletX

GREY = (0.299, 0.587, 0.114)


class Basis(NamedTuple):
    """Pictures (B, C, H, W) and a number of levels → bands (B, C, h, w) of coefficients; and back."""

    transformed: Callable[[Tensor, int], list[Tensor]]
    restored: Callable[[list[Tensor]], Tensor]


class Left(NamedTuple):
    """What a mask leaves: `picture` (B, 3, H, W), its coefficients `bands`, and `whole`, those of the picture that was given."""

    picture: Tensor
    bands: list[Tensor]
    whole: list[Tensor]


def shifted(scene: Scene) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) with which the scene's pictures of 0..1 are normalized."""
    mean, std = (scene.images.new_tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    return mean, std


def probability(scene: Scene, images: Tensor) -> Tensor:
    """(K · B,): the target's probability, or its score where it is a function, of normalized pictures, with a gradient."""
    if callable(scene.target):
        return scene.score(images)
    ask = scene._scorer
    with evaluating(scene.model):  # a whole pass: many steps magnify the rounding of one token, which depends on the batch
        logits = scene.model(images)
    return (ask(logits) - logits.logsumexp(-1)).exp()


def left(scene: Scene, by: WaveletX, basis: Basis) -> Iterator[tuple[Probe, Left]]:
    """After each step of Adam; `samples` passes each."""
    mean, std = shifted(scene)
    rgb, probe = scene.images * std + mean, Probe(scene, by.steps * by.samples, batch=by.samples)
    bands = basis.transformed(rgb, by.levels)
    masks = [torch.ones_like(band[:, :1]).requires_grad_() for band in bands]
    grey = [(band * rgb.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True) for band in bands]
    climb, generator = torch.optim.Adam(masks, lr=by.lr), seeded(by.seed)
    with torch.no_grad():
        wanted = probability(scene, scene.images)

    def ask(_: int, __: int) -> Left:
        with torch.enable_grad():
            noisy = [_mixed(m, c, by.samples, generator) for m, c in zip(masks, bands, strict=True)]  # (S, B, 3, h, w)
            images = (basis.restored([each.flatten(0, 1) for each in noisy]) - mean) / std
            told = probability(scene, images).reshape(by.samples, -1)
            shown = basis.restored([m * g for m, g in zip(masks, grey, strict=True)]).abs().flatten(1).mean(1)
            share = torch.cat([m.flatten(1) for m in masks], 1).mean(1)
            loss = by.distortion * (told - wanted).square().mean(0) + by.sparse * share + by.spatial * shown
            grads = torch.autograd.grad(loss.sum(), masks)
        for m, g in zip(masks, grads, strict=True):
            m.grad = g
        climb.step()
        with torch.no_grad():
            for m in masks:
                m.clamp_(0, 1)
            kept = [m * c for m, c in zip(masks, bands, strict=True)]
            return Left(basis.restored(kept), kept, bands)

    for _, _, found in probe(ask):
        yield probe, found


def _mixed(mask: Tensor, band: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """What is hidden is drawn evenly from mean ± deviation of its band; the same draw for every picture."""
    deviation = band.std((1, 2, 3), keepdim=True, correction=0)
    low = band.mean((1, 2, 3), keepdim=True) - deviation
    draw = torch.rand(samples, 1, *band.shape[1:], generator=generator).to(band)
    return mask * band + (1 - mask) * (low + 2 * deviation * draw)
