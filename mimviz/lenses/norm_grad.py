"""There and Back Again: Revisiting Backpropagation Saliency Methods. Rebuffi, Fong, Ji, Vedaldi. CVPR 2020. arXiv 2004.02866.

One framework (section 3): at every place u of a block, *extract* the gradient of a virtual identity layer from the features x_u
and the score's gradient g_u, then *aggregate* it to a number. NormGrad is the norm of a 1 × 1 convolution's gradient, ‖x_u‖ ·
‖g_u‖; Grad-CAM and its kin are other cells of the grid. Blocks are combined by the product of their maps, each scaled to 0..1
(section 4.1); the meta step (section 5) moves the weights by one step of gradient descent first, which makes any map more about
the class.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.evaluating import evaluating
from ..vit.feature import feature
from ._regions import on_pixels

Extract = Literal["bias", "scaling", "conv1x1", "conv3x3"]
Aggregate = Literal["norm", "sum", "positive", "max"]


@dataclass(frozen=True)
class NormGrad:
    """(B, rows, cols) on the grid of the block, or (B, H, W) where `layers` are several.

    layers: blocks, None is the last whose patches reach the score. extract: "bias" g, "scaling" x ⊙ g, "conv1x1" x gᵀ, "conv3x3"
    the 3 × 3 neighbourhood of x times gᵀ. aggregate: the "norm" of its numbers, their "sum" (signed), the norm of the "positive"
    ones, or the "max". meta: the rate of the step on the weights, 0 for none; the paper's is about 0.0025.
    """

    layers: tuple[int | None, ...] = (None,)
    extract: Extract = "conv1x1"
    aggregate: Aggregate = "norm"
    meta: float = 0.0

    def __call__(self, scene: Scene) -> Heatmap:
        if self.extract not in ("bias", "scaling", "conv1x1", "conv3x3") or not self.layers:
            raise ValueError(
                f"extract={self.extract!r}, layers={self.layers}, but bias, scaling, conv1x1 or conv3x3 of a block is wanted"
            )
        where = stepped(scene, self.meta) if self.meta else scene
        maps = [self._map(where, layer) for layer in self.layers]
        if len(maps) == 1:
            return Heatmap(maps[0].float(), by=self, signed=self.aggregate in ("sum", "max"))
        product = torch.stack([on_pixels(scene, _scaled(each)) for each in maps]).prod(0)
        return Heatmap(product.float(), by=self)

    def _map(self, scene: Scene, layer: int | None) -> Tensor:
        at = feature(scene, layer)
        return aggregated(at.map, at.grad, self.extract, self.aggregate)


def aggregated(x: Tensor, g: Tensor, extract: Extract, aggregate: Aggregate) -> Tensor:
    """x, g (B, C, rows, cols) → (B, rows, cols). An outer product is never made: its numbers follow from its factors."""
    if extract in ("bias", "scaling"):
        numbers = g if extract == "bias" else x * g
        ways = {
            "norm": lambda: numbers.norm(dim=1),
            "sum": lambda: numbers.sum(1),
            "positive": lambda: numbers.clamp_min(0).norm(dim=1),
            "max": lambda: numbers.amax(1),
        }
    else:
        a = x if extract == "conv1x1" else F.unfold(x, 3, padding=1).unflatten(2, x.shape[2:])  # (B, 9 · C, rows, cols)
        up, down = (each.clamp_min(0).norm(dim=1) for each in (a, -a))
        gup, gdown = (each.clamp_min(0).norm(dim=1) for each in (g, -g))
        ends = torch.stack([p * q for p in (a.amax(1), a.amin(1)) for q in (g.amax(1), g.amin(1))])
        ways = {
            "norm": lambda: a.norm(dim=1) * g.norm(dim=1),
            "sum": lambda: a.sum(1) * g.sum(1),
            "positive": lambda: ((up * gup).square() + (down * gdown).square()).sqrt(),
            "max": lambda: ends.amax(0),
        }
    if aggregate not in ways:
        raise ValueError(f"aggregate is {aggregate!r}, but {', '.join(map(repr, ways))} is wanted")
    return ways[aggregate]()


def stepped(scene: Scene, rate: float) -> Scene:
    """A scene of the same pictures and target before a copy of the model whose weights went one step down the target's loss.

    The loss is the cross entropy of the target's class; of a target that is a function, minus its mean. The model itself is not
    touched.
    """
    asked, moved = scene._scorer, copy.deepcopy(scene.model).requires_grad_()
    with torch.enable_grad(), evaluating(moved):
        logits = moved(scene.images.detach())
        score = asked(logits)
        loss = -score.mean() if callable(scene.target) else (logits.logsumexp(-1) - score).mean()
        weights = [p for p in moved.parameters() if p.is_floating_point()]
        grads = torch.autograd.grad(loss, weights, allow_unused=True)
    with torch.no_grad():
        for p, g in zip(weights, grads, strict=True):
            if g is not None:
                p.sub_(rate * g)
    made = copy.copy(scene)
    for cached in ("trace", "_gradients"):
        vars(made).pop(cached, None)
    made.model, made.target = moved, asked
    vars(made)["_scorer"] = asked
    return made


def _scaled(x: Tensor) -> Tensor:
    low, high = x.amin((1, 2), keepdim=True), x.amax((1, 2), keepdim=True)
    return (x - low) / (high - low).clamp_min(1e-12)
