"""Interpreting CLIP's Image Representation via Text-Based Decomposition. Gandelsman, Efros, Steinhardt. ICLR 2024. arXiv 2310.05916.

What the head reads is a sum (equations 1 to 5): of the embedded token, of what each MLP added, and of what each head of each layer
took from each token, A[class, i] · v_i · W_O. The last norm is a division and a shift that all terms share. As in
yossigandelsman/clip_prs: biases and the norm's shift are shared out evenly, a layer's over its heads and tokens.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Heatmap
from ..vit import Scene
from ._fold import Fold, folded
from ._residual import entering, halves, writing
from ._tokens import asked_classes, heat, layer_number


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The terms of `output` (B, D), the model's features: `start` (B, D) + `mlps` (B, layers, D) + `heads` (B, layers, heads, D).

    `patches(layer)` (B, heads, tokens, D) splits the heads of one layer further, and sums to `heads[:, layer]`.
    """

    scene: Scene
    fold: Fold
    output: Tensor
    start: Tensor
    mlps: Tensor
    heads: Tensor

    @property
    def error(self) -> float:
        """Largest |sum of all terms − output|, as a share of the largest output."""
        total = self.start + self.mlps.sum(1) + self.heads.sum((1, 2))
        return float((total - self.output).abs().max() / self.output.abs().max())

    @torch.no_grad()
    def patches(self, layer: int) -> Tensor:
        taken, (weights, bias) = self.fold.taken(self.scene, layer), writing(self.scene, layer)
        H, N = taken.shape[1:]
        terms = torch.einsum("bhn,bhnd,hdc->bhnc", taken, self.scene.trace.layers[layer].mixing.v, weights)
        return self.fold.scaled(terms + self.fold.shared(bias, parts=H * N), parts=H * N)


@dataclass(frozen=True)
class Decompose:
    """Takes the features of a ViT apart, exactly: its class token's, or the mean of its patches' where it pools them."""

    @torch.no_grad()
    def __call__(self, scene: Scene) -> Decomposition:
        count = len(scene.anatomy.blocks)
        fold = folded(scene, shares=2 * count + 1)
        parts = [halves(scene, layer) for layer in range(count)]
        mlps = torch.stack([fold(mlp) for _, _, mlp in parts], 1)
        heads = torch.stack([self._heads(scene, layer, fold) for layer in range(count)], 1)
        model: Any = scene.subject.vit
        output = model.forward_head(model.norm(scene.trace.tokens[-1]), pre_logits=True)
        return Decomposition(scene, fold, output, fold(parts[0][0]), mlps, heads)

    def _heads(self, scene: Scene, layer: int, fold: Fold) -> Tensor:
        """(B, heads, D)."""
        taken, (weights, bias) = fold.taken(scene, layer), writing(scene, layer)
        mixed = torch.einsum("bhn,bhnd->bhd", taken, scene.trace.layers[layer].mixing.v)
        terms = torch.einsum("bhd,hdc->bhc", mixed, weights)
        return fold.scaled(terms + fold.shared(bias, parts=taken.shape[1])[:, 0], parts=taken.shape[1])


@torch.no_grad()
def toward(scene: Scene, direction: Tensor, *, start_layer: int = 0) -> Tensor:
    """(B, layers, heads, tokens): what each head takes from each token along `direction` (D,) or (B, D) of the features.

    The same as `Decomposition.patches(layer) @ direction`, without the features in between.
    """
    count = len(scene.anatomy.blocks)
    fold, found = folded(scene, shares=2 * count + 1), []
    along = direction.expand(len(scene), -1).to(scene.images) * fold.gain  # (B, C)
    read, shift = fold.weights.sum(1), (fold.shift * direction).sum(1)  # (B,): what all terms share
    for layer in range(start_layer, count):
        entering(scene, layer)  # says why, where heads do not add to one stream
        taken, (weights, bias) = fold.taken(scene, layer), writing(scene, layer)
        shares = taken.shape[1] * taken.shape[2]
        asked = F.linear(along, weights.flatten(0, 1)).unflatten(1, weights.shape[:2])  # (B, heads, d)
        of_all = (read * (along @ bias) + shift) / shares
        values = (scene.trace.layers[layer].mixing.v @ asked[..., None])[..., 0]
        found.append(torch.addcmul(of_all[:, None, None], taken, values))
    return torch.stack(found, 1)


@dataclass(frozen=True)
class DirectEffect:
    """(B, rows, cols), signed: what all heads from `start_layer` on take from each patch along the target's class direction.

    Its sum over all tokens is those heads' part of the logit. The target is a class: its row of the head's weights, or its text's
    embedding in a CLIP head.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        direction = class_directions(scene)[asked_classes(scene)]  # (B, D)
        found = toward(scene, direction, start_layer=layer_number(scene, self.start_layer))
        return heat(scene, found.sum((1, 2)), self, signed=True)


def class_directions(scene: Scene) -> Tensor:
    """(classes, D): the weights of the model's linear head."""
    head: Any = getattr(scene.subject.vit, "head", None)
    if not isinstance(head, nn.Linear):
        raise TypeError(f"{scene.anatomy.family} has no linear head, so classes have no directions: give texts instead")
    return head.weight.detach()
