"""The three networks of COMET, and what trains them on pictures with labels."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._learning import Learnt, frozen


class Selector(nn.Module):
    """(B, 3, H, W) → (B, H, W) in 0..1: a small U-Net from scratch; half as coarse with each of its `levels`."""

    def __init__(self, *, width: int = 16, levels: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**i, 4) for i in range(levels + 1)]
        self.enter = _conv(3, widths[0])
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(b + a, a) for a, b in pairwise(widths))
        self.leave = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        stack = [self.enter(images)]
        for down in self.down:
            stack.append(down(stack[-1]))
        x = stack.pop()
        for up in reversed(self.up):
            skip = stack.pop()
            x = up(torch.cat([F.interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], 1))
        return torch.sigmoid(self.leave(x))[:, 0]


def _conv(a: int, b: int, *, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride=stride, padding=1), nn.GroupNorm(4, b), nn.GELU())


def objective(
    taken: Tensor, left: Tensor, mask: Tensor, *, complete: float, gap: float, area: float, share: float
) -> tuple[Tensor, Tensor]:
    """taken, left (B,): cross entropy of predictor and detector for what is selected and for the rest; mask (B, H, W) →
    (L, where the detector's term acts), (B,) each.

    L = taken + complete · max(taken − left + gap, 0) + area · max(mean mask − share, 0).
    """
    behind = taken - left + gap
    sparse = (mask.flatten(1).mean(1) - share).clamp_min(0)
    return taken + complete * behind.clamp_min(0) + area * sparse, behind > 0


class CometLearner(nn.Module):
    """`mv.fit(CometLearner(model, predictor), (pictures, labels) …)`: then `learner.selector(images)` are maps, in one pass, and
    `learner.answer(images)` the logits of the explainable classifier.

    model: the detector, trained on whole pictures, best with parts of them missing; it stays as it is. predictor: learns with the
    selector, a copy of the model unless told. Weights of the loss as `objective` has them; complete = 0 takes the detector away.
    The selector learns from all of the loss, the predictor from its own answers alone.
    """

    wants_labels = True

    def __init__(
        self,
        model: nn.Module,
        predictor: nn.Module | None = None,
        *,
        complete: float = 4.0,
        gap: float = 2.0,
        area: float = 100.0,
        share: float = 0.2,
        width: int = 16,
    ) -> None:
        super().__init__()
        self._detector = (model,)  # not to be trained, so no part of this module
        self.predictor = copy.deepcopy(model).requires_grad_(True) if predictor is None else predictor
        self.selector = Selector(width=width).to(next(model.parameters()).device)
        self.weights = {"complete": complete, "gap": gap, "area": area, "share": share}

    def answer(self, images: Tensor) -> Tensor:
        """(B, classes)."""
        return self.predictor(images * self.selector(images)[:, None])

    def forward(self, images: Tensor, labels: Tensor) -> Learnt:
        mask = self.selector(images)
        with frozen(self._detector[0]):
            rest = self._detector[0](images * (1 - mask[:, None]))
        left = F.cross_entropy(rest, labels, reduction="none")
        taken, steer = _steered(self.predictor, images, mask, labels)
        loss, acts = objective(taken, left, mask, **self.weights)
        steer(1 + self.weights["complete"] * acts)
        # the predictor gets the gradient of `taken` once, and the mask what the whole loss gives it
        loss = loss - self.weights["complete"] * acts * (taken - taken.detach())
        return Learnt(loss.mean(), mask, (taken - left).detach())


def _steered(
    predictor: nn.Module, images: Tensor, mask: Tensor, labels: Tensor
) -> tuple[Tensor, Callable[[Tensor], None]]:
    """Cross entropy (B,) of what the mask leaves, and what sets by how much the mask feels it more than the predictor."""
    factor = [torch.ones(len(images), device=images.device)]
    seen = images * mask[:, None]
    if seen.requires_grad:
        seen.register_hook(lambda grad: grad * factor[0][:, None, None, None])
    taken = F.cross_entropy(predictor(seen), labels, reduction="none")

    def steer(by: Tensor) -> None:
        factor[0] = by.to(taken)

    return taken, steer
