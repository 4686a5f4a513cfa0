"""LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity. Bousselham et al. ICCV 2025. arXiv 2404.03214.

For every layer l: a score of its own, head(norm(mean of all tokens that leave it)); the positive part of its gradient by that
layer's attention, averaged over heads and queries; the mean of these over layers. In a model that ends in attention pooling every
layer's tokens go through the pooling, and the gradient is the pooling map's. Equal to torchcam 0.5 on the same weights. The public
legrad_torch 1.1 sums over the last two layers unless told, takes min-max at the end, and leaves the norm before a pooling out.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene, Trace, evaluating
from ..vit.recording import recording
from ..vit.target import scorer
from ._tokens import heat, layer_number, on_grid


@dataclass(frozen=True)
class LeGrad:
    """(B, rows, cols): how much the target's score in each layer grows when more attention goes to a patch, at least 0.

    start_layer: the first layer that counts. Needs one pass of its own with a graph, and a step back through one block per layer.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        return heat(scene, self.layers(scene).mean(1).flatten(1), self, layer=self.start_layer)

    def layers(self, scene: Scene) -> Tensor:
        """(B, layers, rows, cols): the map of each layer from `start_layer` on."""
        first, model = layer_number(scene, self.start_layer), scene.model
        if len(scene.anatomy.stages) > 1:
            raise TypeError(f"{scene.anatomy.family} has layers of other widths than its head reads, so they have no scores")
        target = scorer(model, scene.target, scene.trace.logits if callable(scene.target) else scene.logits)  # type: ignore[arg-type]
        with torch.enable_grad(), evaluating(model):
            with recording(model, scene.anatomy) as trace:
                model(scene.images.detach().requires_grad_())  # frozen weights must not cut the graph
            maps = [self._map(scene, trace, layer, target) for layer in range(first, len(trace.layers))]
        return torch.stack(maps, 1)

    def _map(self, scene: Scene, trace: Trace, layer: int, target: Callable[[Tensor], Tensor]) -> Tensor:
        """(B, rows, cols): of one layer of a pass with its graph."""
        asked, tokens = trace.layers[layer], trace.tokens[_block(scene, layer)]
        if trace.pooling is None:
            score = target(head_of(scene, tokens.mean(1)))
        else:
            model: Any = scene.model
            with recording(model, scene.anatomy) as pooled:
                score = target(model.forward_head(model.norm(tokens)))
            asked = pooled.pooling
        assert asked is not None and asked.mixed is not None
        (grad,) = torch.autograd.grad(score.sum(), [asked.mixed], retain_graph=True)
        return on_grid(scene, asked.mixing.weights_grad(grad).clamp_min(0).mean((1, 2)))


def head_of(scene: Scene, token: Tensor) -> Tensor:
    """(B, C) → (B, classes): what the model would answer if every last token were this one."""
    model: Any = scene.model
    tokens = token[:, None].expand(-1, scene.prefix + 1, -1)  # so that every kind of pooling returns it
    return model.forward_head(model.norm(tokens))


def _block(scene: Scene, layer: int) -> int:
    """The block that an attention lies in: some have two side by side."""
    parts = scene.anatomy
    return next(i for i, name in enumerate(parts.blocks) if parts.attentions[layer].startswith(name + "."))
