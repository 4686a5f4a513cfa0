"""Vision Transformers Don't Need Trained Registers. Jiang, Dravid, Efros, Gandelsman. NeurIPS 2025. arXiv 2506.08010.

Algorithm 1: the hidden units of MLPs that are most active at outlier patches are those which make them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..vit import Neuron, Scene, neuron_activations
from .outliers import Outliers


@dataclass(frozen=True)
class RegisterNeurons:
    """The `count` units with the largest mean |activation| at the outliers of block `layer`, largest first.

    A unit's score is its mean over the outliers of each picture, then over the pictures that have any. threshold: the norm that
    makes an outlier, found by `Outliers` unless told. highest: the last block to look into; the first that shows outliers unless
    told, as later ones cannot have made them. sparse: only units below `quiet` at half of the tokens, as the authors' code offers.
    """

    count: int = 10
    layer: int = -1
    threshold: float | None = None
    highest: int | None = None
    sparse: bool = False
    quiet: float = 0.5

    def __call__(self, scene: Scene) -> tuple[Neuron, ...]:
        """Raises ValueError where there is no outlier, or more neurons are asked for than there are."""
        found = Outliers(self.layer, self.threshold)(scene)
        outliers = found.mask.flatten(1)  # (B, N)
        pictures = outliers.any(1)
        if not pictures.any():
            raise ValueError(f"no register neurons at block {self.layer}, as no patch is an outlier ({found.why})")
        layers = range(self._highest(scene, outliers) + 1)
        active = neuron_activations(scene)[: len(layers)]
        scores = torch.stack([self._scores(x, outliers, scene.prefix)[pictures].mean(0) for x in active])
        if not 1 <= self.count <= scores.numel():
            raise ValueError(f"count is {self.count}, but blocks 0..{layers[-1]} have {scores.numel()} neurons")
        best = scores.flatten().topk(self.count)
        width = scores.shape[1]
        return tuple(
            Neuron(i // width, i % width, score) for i, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )

    def _scores(self, hidden: torch.Tensor, outliers: torch.Tensor, prefix: int) -> torch.Tensor:
        """hidden (B, prefix + N, units) → (B, units); pictures without outliers get 0."""
        there = outliers.to(hidden.dtype)[..., None]
        mean = (hidden[:, prefix:].abs() * there).sum(1) / there.sum(1).clamp_min(1)
        if self.sparse:
            mean = mean * ((hidden < self.quiet).float().mean(1) >= 0.5)
        return mean.float()

    def _highest(self, scene: Scene, outliers: torch.Tensor) -> int:
        """The first block behind which the outliers' median norm has at least half of its final multiple of the others'."""
        count = len(scene.trace.tokens)
        if self.highest is not None:
            if not -count <= self.highest < count:
                raise IndexError(f"highest is {self.highest}, but there are {count} blocks, from 0")
            return self.highest % count
        last = self.layer % count
        gain = []
        for layer in range(last + 1):
            norms = scene.trace.maps(layer).float().norm(dim=1).flatten(1)
            gain.append(float(norms[outliers].median() / norms[~outliers].median()) - 1)
        return next((layer for layer, each in enumerate(gain) if each >= 0.5 * gain[-1] > 0), last)
