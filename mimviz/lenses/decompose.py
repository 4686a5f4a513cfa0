"""Interpreting CLIP's Image Representation via Text-Based Decomposition. Gandelsman, Efros, Steinhardt. ICLR 2024. arXiv 2310.05916.

What the head reads is a sum (equations 1 to 5): of the embedded token, of what each MLP added, and of what each head of each layer
took from each token, A[class, i] · v_i · W_O. The last norm is a division and a shift that all terms share. As in
yossigandelsman/clip_prs: biases and the norm's shift are shared out evenly, a layer's over its heads and tokens.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Heatmap
from ..vit import Scene
from ._fold import Fold, folded
from ._residual import bias_written, halves, written
from ._tokens import asked_classes, heat


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The terms of `output` (B, D), the model's features: `start` (B, D) + `mlps` (B, layers, D) + `heads` (B, layers, heads, D).

    `patches(layer)` (B, heads, tokens, D) splits the heads of one layer further, and sums to `heads[:, layer]`.
    """

    scene: Scene
    output: Tensor
    start: Tensor
    mlps: Tensor
    heads: Tensor
    patches: Callable[[int], Tensor]

    @property
    def error(self) -> float:
        """Largest |sum of all terms − output|, as a share of the largest output."""
        total = self.start + self.mlps.sum(1) + self.heads.sum((1, 2))
        return float((total - self.output).abs().max() / self.output.abs().max())

    def toward(self, direction: Tensor) -> Tensor:
        """(B, layers, heads, tokens): what each head takes from each token along `direction` (D,) or (B, D)."""
        along = direction.expand(len(self.output), -1).to(self.output)
        return torch.stack([torch.einsum("bhnd,bd->bhn", self.patches(i), along) for i in range(self.heads.shape[1])], 1)


@dataclass(frozen=True)
class Decompose:
    """Takes the features of a ViT apart, exactly: its class token's, or the mean of its patches' where it pools them."""

    def __call__(self, scene: Scene) -> Decomposition:
        with torch.no_grad():
            count = len(scene.anatomy.blocks)
            fold = folded(scene, shares=2 * count + 1)
            parts = [halves(scene, layer) for layer in range(count)]
            start = fold(parts[0][0])
            mlps = torch.stack([fold(mlp) for _, _, mlp in parts], 1)
            heads = torch.stack([self._terms(scene, layer, fold).sum(2) for layer in range(count)], 1)
            terms = torch.no_grad()(lambda layer: self._terms(scene, layer, fold))
            model: Any = scene.subject.vit
            output = model.forward_head(model.norm(scene.trace.tokens[-1]), pre_logits=True)
        return Decomposition(scene, output, start, mlps, heads, terms)

    def _terms(self, scene: Scene, layer: int, fold: Fold) -> Tensor:
        """(B, heads, tokens, D)."""
        attention, values = scene.trace.attention[layer], written(scene, layer)  # (B, heads, N, N), (B, heads, N, C)
        H, N = values.shape[1:3]
        taken = torch.einsum("bq,bhqn->bhn", fold.weights, attention)[..., None] * values
        bias = fold.weights.sum(1)[:, None, None, None] * bias_written(scene, layer) / (H * N)
        return fold.scaled(taken + bias, parts=H * N)


@dataclass(frozen=True)
class DirectEffect:
    """(B, rows, cols), signed: what all heads from `start_layer` on take from each patch along the target's class direction.

    Its sum over all tokens is those heads' part of the logit. The target is a class: its row of the head's weights, or its text's
    embedding in a CLIP head.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        direction = class_directions(scene)[asked_classes(scene)]  # (B, D)
        found = Decompose()(scene).toward(direction)[:, self.start_layer :]
        return heat(scene, found.sum((1, 2)), self, signed=True)


def class_directions(scene: Scene) -> Tensor:
    """(classes, D): the weights of the model's linear head."""
    head: Any = getattr(scene.subject.vit, "head", None)
    if not isinstance(head, nn.Linear):
        raise TypeError(f"{scene.anatomy.family} has no linear head, so classes have no directions: give texts instead")
    return head.weight.detach()
