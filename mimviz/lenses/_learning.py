"""Explainers that learn: on many pictures by `mv.fit`, or on the one picture of a scene by a lens, each picture for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Grid, drawing
from ..vit import Scene
from ..vit.evaluating import evaluating
from ._probing import Partial, Probe


@dataclass(frozen=True)
class Learnt:
    """What a step of learning gave: `loss` (), `mask` (B, rows, cols) or (B, H, W) in 0..1, `gap` (B,) between the model's answers
    with all and with what is left."""

    loss: Tensor
    mask: Tensor
    gap: Tensor

    def __len__(self) -> int:
        return len(self.mask)

    def detached(self) -> Learnt:
        return replace(self, loss=self.loss.detach(), mask=self.mask.detach(), gap=self.gap.detach())


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """In eval mode, and no graph reaches its weights: whatever learns through it leaves its `.grad` alone."""
    with evaluating(model):
        free = [each for each in model.parameters() if each.requires_grad]
        try:
            for each in free:
                each.requires_grad_(False)
            yield
        finally:
            for each in free:
                each.requires_grad_(True)


def singles(scene: Scene) -> list[Scene]:
    """A scene for each picture."""
    asked = scene.target
    wanted = list(asked) if isinstance(asked, (list, tuple)) else [asked] * len(scene)
    found = [Scene(scene.model, scene.images[i : i + 1], target=target) for i, target in enumerate(wanted)]
    for i, each in enumerate(found):
        each.images = scene.images[i : i + 1]  # also where all numbers happen to lie in 0..1
    return found


def learning(
    scene: Scene, by: object, steps: int, begin: Callable[[Scene], Callable[[], Tensor]], *, seed: int
) -> Iterator[Partial]:
    """`begin(scene of one picture)` gives what makes a step and returns the map (H, W) behind it; a part after each step of all."""
    with drawing(seed):
        state = torch.get_rng_state()
    probe, states = Probe(scene, steps, batch=1), [state] * len(scene)
    with torch.inference_mode(False), torch.enable_grad():
        makers = []
        for each in singles(scene):
            with drawing(seed):
                makers.append(begin(each))

    def ask(_: int, __: int) -> Tensor:
        maps = []
        with torch.inference_mode(False), torch.enable_grad(), drawing(seed):
            for index, step in enumerate(makers):
                torch.set_rng_state(states[index])
                maps.append(step().detach().float())
                states[index] = torch.get_rng_state()
        return torch.stack(maps)

    for _, _, values in probe(ask):
        yield probe.partial(values, by)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """A step down for the optimizer's own parameters; no `.grad` of anything else is touched."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for p, grad in zip(params, torch.autograd.grad(loss, params, allow_unused=True), strict=True):
        p.grad = grad
    optimizer.step()


def enlarged(mask: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """(B, rows, cols) → (B, 1, H, W)."""
    corners = {} if mode == "nearest" else {"align_corners": False}
    return F.interpolate(mask[:, None], size=size, mode=mode, **corners)


def surprise(scene: Scene, images: Tensor) -> Tensor:
    """(K · B,): −log of the target's probability, or −score where it is a function."""
    if callable(scene.target):
        return -scene.score(images)
    logits = scene.model(images)
    return logits.logsumexp(-1) - scene._scorer(logits)


@torch.no_grad()
def deletion(scene: Scene, mask: Tensor, grid: Grid) -> float:
    """Mean probability of a scene of one picture while a fifth after a fifth of it is blackened, highest mask first.

    mask: (1, rows, cols) on `grid`.
    """
    order = mask.flatten().argsort(descending=True, stable=True).argsort()  # rank of each patch
    cut = torch.arange(1, 5, device=mask.device)[:, None] * grid.count / 5
    seen = (order[None] >= cut).to(scene.images).reshape(-1, 1, grid.rows, grid.cols)
    seen = F.interpolate(seen, size=scene.images.shape[-2:], mode="nearest")
    return float((-surprise(scene, veiled(scene, seen))).exp().mean())


def veiled(scene: Scene, seen: Tensor) -> Tensor:
    """Pictures with black where `seen` (K, 1, H, W), 1 to 0, is 0, normalized."""
    mean, std = (scene.images.new_tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    return seen * scene.images - (1 - seen) * mean / std
