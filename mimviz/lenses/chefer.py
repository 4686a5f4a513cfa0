"""Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers. Chefer, Gur, Wolf. ICCV 2021. arXiv 2103.15679.

Self-attention case: Ā = mean over heads of (∇A ⊙ A)⁺ (equation 5) and R ← R + Ā · R from R = I (equation 6).
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

from ..core import Heatmap
from ..vit import Scene
from ._tokens import heat, layer_number, relevance_of, relevant_reading


@dataclass(frozen=True)
class Chefer:
    """(B, rows, cols): relevance of each patch to the target's score, at least 0; class-specific through the gradient of attention.

    start_layer: the first layer that counts.
    """

    start_layer: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        row = relevant_reading(scene)[:, None]  # (B, 1, N): only the rows of R that the head reads
        for layer in reversed(range(layer_number(scene, self.start_layer), len(scene.trace.layers))):
            row = row + row @ relevance_of(scene, layer)
        return heat(scene, row[:, 0], self, layer=self.start_layer)
