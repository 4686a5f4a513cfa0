"""The last norm and the pooling of a ViT, as one linear map of its residual stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..vit import Scene
from ._tokens import one_grid, reading


@dataclass(frozen=True, eq=False)
class Fold:
    """The last norm and the pooling, as one linear map of the stream: Σ_q weights[q] · x[q] · gain, plus a shift for all terms."""

    weights: Tensor  # (B, N): what the head reads of each token, divided by its standard deviation
    gain: Tensor  # (C,)
    shift: Tensor  # (B, C), for each of the terms

    def __call__(self, stream: Tensor) -> Tensor:
        return self.scaled(torch.einsum("bq,bqc->bc", self.weights, stream))

    def taken(self, scene: Scene, layer: int) -> Tensor:
        """(B, heads, N): how much of each token every head of a layer brings to what the head reads, before gain."""
        ids = self.weights.any(0).nonzero()[:, 0]
        return torch.einsum("bq,bhqn->bhn", self.weights[:, ids], scene.trace.rows(layer, ids).float())

    def shared(self, bias: Tensor, *, parts: int) -> Tensor:
        """(B, 1, 1, C): a bias (C,) that all tokens get, as it is read, in so many parts."""
        return self.weights.sum(1)[:, None, None, None] * bias / parts

    def scaled(self, term: Tensor, *, parts: int = 1) -> Tensor:
        shift = self.shift.reshape(len(term), *(1,) * (term.ndim - 2), -1)
        return term * self.gain + shift / parts


def folded(scene: Scene, *, shares: int) -> Fold:
    """The fold of a scene's own means and deviations; its shift is cut into `shares`, as many as there are terms."""
    model: Any = scene.subject.vit
    one_grid(scene, "its output is not one sum over heads and patches")
    if scene.anatomy.pool not in ("token", "avg"):
        raise TypeError(f"{scene.anatomy.family} pools by {scene.anatomy.pool!r}, but 'token' or 'avg' can be taken apart")
    norms = [each for each in (model.norm, getattr(model, "fc_norm", None)) if isinstance(each, nn.LayerNorm)]
    if len(norms) != 1:
        raise TypeError(f"{scene.anatomy.family} ends in {len(norms)} LayerNorms, but one is wanted")
    norm, read, last = norms[0], reading(scene), scene.trace.tokens[-1].float()  # read (B, N)
    seen = last if norm is model.norm else torch.einsum("bq,bqc->bc", read, last)[:, None]
    deviation = (seen.var(-1, unbiased=False) + norm.eps).sqrt()  # (B, N) or (B, 1)
    weights = read / deviation
    mean = (weights * last.mean(-1)).sum(1, keepdim=True)
    return Fold(weights, norm.weight, (norm.bias - mean * norm.weight) / shares)
