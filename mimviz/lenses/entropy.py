"""Stabilizing Transformer Training by Preventing Attention Entropy Collapse. Zhai, Likhomanenko, Littwin et al. ICML 2023. arXiv 2303.06296.

Entropy of a row of attention, −Σ A log A (section 3): 0 where a token looks at one other alone, log N where at all alike.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._tokens import heat, layer_number, of_head


@dataclass(frozen=True)
class Entropy:
    """(B, rows, cols): how widely each patch, as a query, spreads its attention, in nats: 0 … log N of N tokens.

    layer: 0 is the first, -1 the last. head: a number, or None for the mean of all.
    """

    layer: int = -1
    head: int | None = None

    def __call__(self, scene: Scene) -> Heatmap:
        rows = row_entropy(scene.trace.attention[layer_number(scene, self.layer)])
        return heat(scene, of_head(rows, self.head, "mean"), self)

    def by_head(self, scene: Scene) -> Tensor:
        """(B, layers, heads): the mean over all queries."""
        return torch.stack([row_entropy(attention).mean(-1) for attention in scene.trace.attention], 1)


def row_entropy(attention: Tensor) -> Tensor:
    """(…, Q, K) → (…, Q) in nats; 0 · log 0 is 0."""
    if (attention < 0).any():
        raise ValueError("this attention has negative weights (differential attention), so its rows have no entropy")
    return torch.special.entr(attention.float()).nansum(-1)  # NaN where a patch was hidden from the model
