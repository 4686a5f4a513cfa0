"""Token Transformation Matters: Towards Faithful Post-hoc Explanation for Vision Transformer. Wu et al. CVPR 2024. arXiv 2403.14552.

Attention says how tokens are mixed, not how each is changed on the way. Every change E → Ẽ weighs W = ‖Ẽ‖ / ‖E‖ · NECC(E, Ẽ), with
NECC = exp(cos(E, Ẽ)), here with mean 1 over the tokens. Relevance starts from the lengths of the embedded tokens, C = diag ‖E‖, and
C ← C + mean over heads of (∇A ⊙ A)⁺ · diag(W) · C, then C ← C + diag(W) · C for the MLP. No public code was found: what NECC is
divided by and the order of the two steps follow the paper's abstract and reviews, not its code.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._residual import halves, projected
from ._tokens import heat, layer_number, relevance_of, relevant_reading


@dataclass(frozen=True)
class TokenTM:
    """(B, rows, cols): relevance of each patch to the target's score, at least 0.

    lengths, directions: whether changes of length and of direction count (with neither, W = 1). mlp: whether MLPs count. start:
    whether relevance starts from the tokens' lengths instead of from 1. All four off is `Chefer`.
    """

    lengths: bool = True
    directions: bool = True
    mlp: bool = True
    start: bool = True
    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        row = relevant_reading(scene)[:, None]  # (B, 1, N): only the rows that the head reads
        for layer in reversed(range(layer_number(scene, self.start_layer), len(scene.trace.layers))):
            by_attention, by_mlp = self.weights(scene, layer)
            if self.mlp:
                row = row * (1 + by_mlp[:, None])
            row = row + (row @ relevance_of(scene, layer)) * by_attention[:, None]
        relevance = row[:, 0]
        if self.start:
            relevance = relevance * _length(_embedded(scene))
        return heat(scene, relevance, self, layer=self.start_layer)

    def weights(self, scene: Scene, layer: int) -> tuple[Tensor, Tensor]:
        """(W of attention, W of the MLP), each (B, N), of one layer."""

        def weighed() -> Tensor:
            before, by_attention, by_mlp = (each.float() for each in halves(scene, layer))
            pairs = (before, projected(scene, layer).float()), (by_attention.add(before), by_mlp)
            return torch.stack([self._weigh(*pair) for pair in pairs])

        by_attention, by_mlp = scene.trace.kept(("changes", self.lengths, self.directions, layer), weighed)
        return by_attention, by_mlp

    def _weigh(self, before: Tensor, after: Tensor) -> Tensor:
        was, now = _length(before).clamp_min(1e-12), _length(after)
        weights = now / was if self.lengths else torch.ones_like(was)
        if self.directions:
            alike = ((before * after).sum(-1) / (was * now.clamp_min(1e-12))).exp()
            weights = weights * alike / alike.mean(1, keepdim=True)
        return weights


def _length(tokens: Tensor) -> Tensor:
    return tokens.float().norm(dim=-1)


def _embedded(scene: Scene) -> Tensor:
    """(B, N, C): what goes into the first block."""
    embedded = scene.trace.embedded
    assert embedded is not None
    return embedded
