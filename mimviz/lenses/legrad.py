"""LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity. Bousselham et al. ICCV 2025. arXiv 2404.03214.

For every layer l: a score of its own, head(norm(mean of all tokens that leave it)); the positive part of its gradient by that
layer's attention, averaged over heads and queries; the mean of these over layers. In a model that ends in attention pooling every
layer's tokens go through the pooling, and the gradient is the pooling map's. Equal to torchcam 0.5 on the same weights. The public
legrad_torch 1.1 sums over the last two layers unless told, takes min-max at the end, and leaves the norm before a pooling out.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene, Trace, evaluating
from ..vit.recording import recording
from ..vit.target import scorer
from ._backward import by_mixed
from ._tokens import heat, layer_number, on_grid


@dataclass(frozen=True)
class LeGrad:
    """(B, rows, cols): how much the target's score in each layer grows when more attention goes to a patch, at least 0.

    start_layer: the first layer that counts. Every layer has a score of its own, so its gradients are its own too: in plain blocks
    two products of tokens × the MLP's first layer, three quarters of the multiplications of a pass in all, kept for the next call;
    in other blocks a pass with a graph and a step back through each.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        return heat(scene, self.layers(scene).mean(1).flatten(1), self, layer=self.start_layer)

    def layers(self, scene: Scene) -> Tensor:
        """(B, layers, rows, cols): the map of each layer from `start_layer` on."""
        first, kept = layer_number(scene, self.start_layer), scene.trace.kept
        if len(scene.anatomy.stages) > 1:
            raise TypeError(f"{scene.anatomy.family} has layers of other widths than its head reads: they have no scores")
        numbers = range(first, len(scene.trace.layers))
        means, graph = cache(partial(_by_means, scene)), cache(partial(_graph, scene))  # once for all layers
        maps = [kept(("formation", layer), partial(_raising, scene, layer, means, graph)) for layer in numbers]
        return torch.stack([on_grid(scene, each) for each in maps], 1)


def _raising(scene: Scene, layer: int, means: Callable[[], Tensor], graph: Callable[[], Trace]) -> Tensor:
    """(B, N): the positive part of the gradient by one layer's attention, averaged over heads and queries."""
    with evaluating(scene.model):
        if scene.trace.pooling is not None:
            mixing, grad = _by_pooling(scene, layer)
        else:
            mixing = scene.trace.layers[layer].mixing
            try:
                grad = by_mixed(scene, layer, means()[layer])
            except TypeError:  # no block of two halves
                grad = _by_graph(scene, layer, graph())
    return mixing.weights_grad(grad).clamp_min_(0).mean((1, 2))


def _by_means(scene: Scene) -> Tensor:
    """(layers, B, C): ∂ score / ∂ the mean of the tokens that leave each layer; one pass through the head for all."""
    with torch.enable_grad():
        tokens = [scene.trace.tokens[_block(scene, layer)].mean(1) for layer in range(len(scene.trace.layers))]
        means = torch.stack(tokens).detach().requires_grad_()
        score = _target(scene)(head_of(scene, means.flatten(0, 1)))
        return torch.autograd.grad(score.sum(), means)[0]


def _by_pooling(scene: Scene, layer: int) -> tuple[Any, Tensor]:
    """(the mixing of the pooling as it would read this layer, ∂ score / ∂ its A · V)."""
    model: Any = scene.model
    with torch.enable_grad(), recording(model, scene.anatomy) as pooled:
        tokens = scene.trace.tokens[_block(scene, layer)].detach().requires_grad_()
        score = _target(scene)(model.forward_head(model.norm(tokens)))
    assert pooled.pooling is not None and pooled.pooling.mixed is not None
    return pooled.pooling.mixing, torch.autograd.grad(score.sum(), pooled.pooling.mixed)[0]


def _by_graph(scene: Scene, layer: int, trace: Trace) -> Tensor:
    """(B, N, heads · d): ∂ score / ∂ A · V of a layer in any kind of block."""
    mixed = trace.layers[layer].mixed
    assert mixed is not None
    with torch.enable_grad():
        score = _target(scene)(head_of(scene, trace.tokens[_block(scene, layer)].mean(1)))
        return torch.autograd.grad(score.sum(), mixed, retain_graph=True)[0]


def _graph(scene: Scene) -> Trace:
    """A pass with its graph."""
    with torch.enable_grad(), recording(scene.model, scene.anatomy) as trace:
        scene.model(scene.images.detach().requires_grad_())  # frozen weights must not cut the graph
    return trace


def _target(scene: Scene) -> Callable[[Tensor], Tensor]:
    logits: Any = scene.trace.logits if callable(scene.target) else scene.logits
    return scorer(scene.model, scene.target, logits)


def head_of(scene: Scene, token: Tensor) -> Tensor:
    """(B, C) → (B, classes): what the model would answer if every last token were this one."""
    model: Any = scene.model
    tokens = token[:, None].expand(-1, scene.prefix + 1, -1)  # so that every kind of pooling returns it
    return model.forward_head(model.norm(tokens))


def _block(scene: Scene, layer: int) -> int:
    """The block that an attention lies in: some have two side by side."""
    parts = scene.anatomy
    return next(i for i, name in enumerate(parts.blocks) if parts.attentions[layer].startswith(name + "."))
