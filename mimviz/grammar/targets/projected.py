"""Projected: a teacher's features behind its own last layer, such as CLIP's projection into the space of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .features import Features


@dataclass(frozen=True)
class Projected(Features):
    """target(images, mask) → (B, N, what the teacher's `head` puts out). ValueError for a teacher whose head is no linear layer."""

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(head := getattr(self.teacher.encoder.vit, "head", None), nn.Linear):
            raise ValueError(
                f"the teacher's head is {type(head).__name__}, but a linear one is wanted: such as CLIP's projection, or classes"
            )

    @property
    def width(self) -> int:
        return self._head.out_features

    def joined(self, layers: list[Tensor]) -> Tensor:
        return self._head(super().joined(layers))

    @property
    def _head(self) -> Any:
        return self.teacher.encoder.vit.head
