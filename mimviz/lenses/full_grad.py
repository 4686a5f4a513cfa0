"""Full-Gradient Representation for Neural Network Visualization. Srinivas, Fleuret. NeurIPS 2019. arXiv 1905.00780.

The score is the pixels times their gradient plus what every layer adds at every place (proposition 1); the map is the sum of
ψ(|·|) over all of them (equation 4), ψ: scaled to 0..1 for each layer and enlarged. For ReLU nets the terms are bias × gradient,
as in the paper. For LayerNorm, attention, GELU and positions the term of a layer is its output · gradient − its input ·
gradient: the paper's implicit bias, one number for each token where the layer mixes channels. Tokens without a place (class,
registers, the head) count in `completeness` and not in the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.terms import Term, terms
from ._pixels import Completeness


@dataclass(frozen=True)
class FullGrad:
    """(B, H, W), at least 0: where pixels and all layers together make the score, whatever the sign.

    pixels, layers: how much the pixels' own term and the layers' terms count.
    """

    pixels: float = 1.0
    layers: float = 1.0

    def __call__(self, scene: Scene) -> Heatmap:
        own, found, _ = terms(scene)
        size = scene.images.shape[-2:]
        values = self.pixels * scaled(own).sum(1)
        for term in found:
            if term.values is not None:
                values = values + self.layers * enlarged(scaled(term.values), size).sum(1)
        return Heatmap(values.float(), by=self, signed=min(self.pixels, self.layers) < 0)

    def terms(self, scene: Scene) -> list[Term]:
        """Every layer's signed term, "pixels" first, as (B, C, rows, cols): the strip of which the map is made."""
        own, found, _ = terms(scene)
        return [Term("pixels", own, own.flatten(1).sum(1)), *found]

    def completeness(self, scene: Scene) -> Completeness:
        """The sum of all terms beside the score that it should be."""
        own, found, score = terms(scene)
        total = (
            own.flatten(1).sum(1) + torch.stack([term.total for term in found]).sum(0)
            if found
            else own.flatten(1).sum(1)
        )
        return Completeness(total, score)


def scaled(x: Tensor) -> Tensor:
    """|x| from 0 to 1, over all channels and places of a picture."""
    flat = x.abs().flatten(1)
    low = flat.amin(1, keepdim=True)
    return ((flat - low) / ((flat - low).amax(1, keepdim=True) + 1e-6)).reshape(x.shape)


def enlarged(x: Tensor, size: torch.Size) -> Tensor:
    """(B, C, rows, cols) → (B, C, H, W)."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)
