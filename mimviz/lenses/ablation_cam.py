"""Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization. Desai, Ramaswamy. WACV 2020. doi 10.1109/WACV45572.2020.9093360.

The weight of a channel is the share of the score that is lost without it, (y − y_k) / y (equation 4). Each pass begins at the
block whose channel is set to 0: what comes before it is the same for all and is not run again. In a ViT the channel of the
patches is set to 0.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.feature import layer_of, resumed
from ..vit.trace import Block
from ._cam import positive, weighted
from ._probing import Partial, Probe, last, scores


@dataclass(frozen=True)
class AblationCAM:
    """(B, rows, cols) on the grid of the block; no gradient, a pass through the rest of the model for each channel.

    layer: as for `GradCAM`. relu: whether the negative part is cut. batch: passes at a time, chosen where None.
    """

    layer: int | None = None
    relu: bool = True
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        heat = last(self.stream(scene))
        return positive(scene, heat.values, self, layer_of(scene, self.layer), relu=self.relu)

    def passes(self, scene: Scene) -> int:
        return scene.trace.maps(layer_of(scene, self.layer)).shape[1]

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map of the channels so far."""
        layer = layer_of(scene, self.layer)
        maps, block = scene.trace.maps(layer), scene.trace.blocks[layer]
        whole = scores(scene, scene.images)[0]  # (B,)
        probe = Probe(scene, maps.shape[1], batch=self.batch)
        weights = maps.new_zeros(maps.shape[:2])

        def ask(i: int, j: int) -> Tensor:
            without = without_channels(block, i, j)
            return resumed(scene, layer, without).reshape(j - i, -1).T  # (B, K)

        for i, j, part in probe(ask):
            weights[:, i:j] = (whole[:, None] - part) / whole[:, None]
            values = weighted(weights[:, :j], maps[:, :j])
            yield probe.partial(values.clamp_min(0) if self.relu else values, self, signed=not self.relu)


def without_channels(block: Block, i: int, j: int) -> Tensor:
    """((j − i) · B, …): a block's output once for each channel from i to j, that one 0 at the patches."""
    output, prefix = block.output, block.layout.prefix
    assert output is not None
    as_it_is = block.layout.map(block.tokens)  # (B, C, rows, cols)
    copies = output.repeat(j - i, *[1] * (output.ndim - 1))
    first = output.shape == as_it_is.shape and torch.equal(output, as_it_is)
    view = copies if first else copies.movedim(-1, 1)  # (K · B, C, …)
    rows = torch.arange(len(copies), device=output.device)
    gone = rows // len(output) + i
    if output.ndim == 3:
        view[rows, gone, prefix:] = 0
    else:
        view[rows, gone] = 0
    return copies
