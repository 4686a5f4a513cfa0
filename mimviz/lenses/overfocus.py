"""Robustifying Token Attention for Vision Transformers. Guo, Stutz, Schiele. ICCV 2023. arXiv 2303.11126.

Overfocusing: a few tokens take the attention of all others. The attention diversification loss is 1 where all rows look at the
same few tokens: cos(a′_q, ā′) of the rows of A, averaged over heads, with their mean ā, both without what is below 2 / N. Confirmed
in guoyongcs/TAPADL: threshold 2, the mean over queries, pictures and layers, and weight 1 beside the cross entropy. (Their code
squeezes a batch of one picture into the wrong axis; here a batch is the mean of its pictures.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Heatmap
from ..vit import Scene, anatomy
from ..vit.edit import edited
from ._tokens import heat, layer_number


@dataclass(frozen=True)
class Overfocus:
    """(B, rows, cols): the attention that each patch receives from all tokens together: 1 is its even share, N all of it."""

    layer: int = -1

    def __call__(self, scene: Scene) -> Heatmap:
        attention = scene.trace.attention[layer_number(scene, self.layer)].float()
        return heat(scene, attention.mean(1).nansum(1), self)


@dataclass(frozen=True)
class Diversification:
    """(B, layers): the loss of each layer, 0 … 1; `threshold` in even shares of attention."""

    threshold: float = 2.0

    def __call__(self, scene: Scene) -> Tensor:
        return torch.stack([diversification(maps, threshold=self.threshold) for maps in scene.trace.attention], 1)


def diversification(attention: Tensor, *, threshold: float = 2.0) -> Tensor:
    """(B, heads, N, N) → (B,), with a gradient."""
    rows = attention.float().mean(1)  # (B, N, N)
    least = threshold / rows.shape[-1]
    mean = rows.mean(1, keepdim=True)
    rows, mean = rows * (rows > least), mean * (mean > least)
    return F.cosine_similarity(mean, rows, dim=-1).mean(1)


def row_similarity(attention: Tensor) -> Tensor:
    """(B, heads, N, N) → (B, N, N): the cosine between any two rows, averaged over heads."""
    rows = F.normalize(attention.float().mean(1), dim=-1)
    return rows @ rows.transpose(1, 2)


@dataclass(frozen=True, eq=False)
class Diversity:
    """`loss` = cross entropy + weight · `diversification`, each a number; `logits` (B, classes)."""

    loss: Tensor
    cross_entropy: Tensor
    diversification: Tensor
    logits: Tensor

    def detached(self) -> Diversity:
        return Diversity(*(value.detach() for value in vars(self).values()))


class Diversified(nn.Module):
    """A timm ViT that learns classes and diverse attention together: `fit(Diversified(vit), labelled)`.

    weight: of the diversification loss (0 is the cross entropy alone).
    """

    wants_labels = True

    def __init__(self, vit: nn.Module, *, weight: float = 1.0, threshold: float = 2.0):
        super().__init__()
        self.vit: Any = vit
        self.weight, self.threshold = weight, threshold

    def forward(self, images: Tensor, labels: Tensor) -> Diversity:
        maps, logits = attended(self.vit, images)
        diverse = torch.stack([diversification(each, threshold=self.threshold).mean() for each in maps]).mean()
        entropy = F.cross_entropy(logits, labels)
        return Diversity(entropy + self.weight * diverse, entropy, diverse, logits)


def attended(vit: nn.Module, images: Tensor) -> tuple[Sequence[Tensor], Tensor]:
    """(the map (B, heads, N, N) of every layer, the model's answer) of one pass, all with a gradient."""
    maps: list[Tensor] = []

    def keep(attention: Tensor) -> Tensor:
        maps.append(attention)
        return attention

    with edited(vit, maps=dict.fromkeys(range(len(anatomy(vit).attentions)), keep)):
        answer = vit(images)
    return maps, answer
