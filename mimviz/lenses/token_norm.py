"""Vision Transformers Need Registers. Darcet, Oquab, Mairal, Bojanowski. ICLR 2024. arXiv 2309.16588.

The norm of tokens (section 2.1): large ViTs keep a few patches with norms far above the rest, artifacts that carry global facts.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core import Heatmap
from ..vit import Scene
from ._tokens import block_number, heat


@dataclass(frozen=True)
class TokenNorm:
    """(B, rows, cols): the Euclidean length of each patch's token as it leaves a block. layer: 0 is the first, -1 the last."""

    layer: int = -1

    def __call__(self, scene: Scene) -> Heatmap:
        tokens = scene.trace.tokens[block_number(scene, self.layer)]
        return heat(scene, tokens.float().norm(dim=-1), self)
