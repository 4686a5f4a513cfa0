"""AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers. Achtibat et al. ICML 2024. arXiv 2402.05602.

Relevance is handed down from the score, layer by layer, so that what goes into a layer sums to what came out of it (Bach et al.,
PLOS ONE 2015). ViTs: the rules of AttnLRP, by contexts of our own, exact for every attention that mimviz reads. Conv nets: LRP-γ
with batch norms as they are, an affine layer of their own. Biases, positions and softmax take a share that has no place:
`completeness` tells how much.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.relevance import Attention, relevance
from ._pixels import Channels, Completeness, joined
from ._probing import gradients


@dataclass(frozen=True)
class LRP:
    """(B, H, W), signed: each pixel's share of the score.

    gamma: how much positive contributions are favoured in linear and convolutional layers; 0 is LRP-0, whose maps are noisy.
    attention: "product" is AttnLRP; "fixed" holds attention as it is and follows the values alone.
    """

    gamma: float = 0.25
    attention: Attention = "product"
    channels: Channels = "sum"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W)."""
        scene.score(scene.images)  # the target is chosen by the untouched model
        with relevance(scene.model, gamma=self.gamma, attention=self.attention):
            return scene.images * gradients(scene, scene.images)[0]

    def completeness(self, scene: Scene, heat: Heatmap) -> Completeness:
        """What the pixels got beside the score: the rest went to biases, positions and softmax."""
        if not heat.signed:
            raise ValueError(f"{heat.by} gives magnitudes, but a sum is wanted: choose channels='sum'")
        return Completeness(heat.values.flatten(1).sum(1), scene.score(scene.images).detach().float())
