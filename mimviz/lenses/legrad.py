"""LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity. Bousselham et al. ICCV 2025. arXiv 2404.03214.

For every layer l: a score of its own, head(norm(mean of all tokens that leave it)); the positive part of its gradient by that
layer's attention, averaged over heads and queries; the mean of these over layers. Seen in the public legrad_torch 1.1, which sums
over the last two layers unless told, takes min-max at the end, and for a model that ends in attention pooling lets every layer's
tokens go through the pooling and asks the pooling's map instead. Equal to torchcam 0.5 on the same weights.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene, evaluating
from ..vit.recording import recording
from ..vit.target import scorer
from ._tokens import layer_number, on_grid


@dataclass(frozen=True)
class LeGrad:
    """(B, rows, cols): how much the target's score in each layer grows when more attention goes to a patch, at least 0.

    start_layer: the first layer that counts. Needs one pass of its own with a graph, and a step back through one block per layer.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(self.layers(scene).mean(1), by=self)

    def layers(self, scene: Scene) -> Tensor:
        """(B, layers, rows, cols): the map of each layer from `start_layer` on."""
        first, target = layer_number(scene, self.start_layer), _scores(scene)
        with torch.enable_grad(), evaluating(scene.model):
            with recording(scene.model, scene.anatomy) as trace:
                scene.model(scene.images.detach().requires_grad_())  # frozen weights must not cut the graph
            maps = []
            for layer, tokens in list(zip(trace.layers, trace.tokens, strict=True))[first:]:
                score = target(head_of(scene, tokens.mean(1))).sum()
                assert layer.mixed is not None
                (grad,) = torch.autograd.grad(score, [layer.mixed], retain_graph=True)
                positive = layer.mixing.weights_grad(grad).clamp_min(0)  # (B, heads, N, N)
                maps.append(on_grid(scene, positive.mean((1, 2))))
        return torch.stack(maps, 1)


def head_of(scene: Scene, token: Tensor) -> Tensor:
    """(B, C) → (B, classes): what the model would answer if every last token were this one."""
    model: Any = scene.model
    tokens = token[:, None].expand(-1, scene.prefix + 1, -1)  # so that every kind of pooling returns it
    return model.forward_head(model.norm(tokens))


def _scores(scene: Scene) -> Callable[[Tensor], Tensor]:
    return scorer(scene.model, scene.target, scene.trace.logits)  # type: ignore[arg-type]
