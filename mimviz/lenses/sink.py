"""See What You Are Told: Visual Attention Sink in Large Multimodal Models. Kang, Kim, Kim, Hwang. ICLR 2025. arXiv 2503.03321.

Sinks are tokens in which a few dimensions are massive: φ(x) = max over these of |x_d| / RMS(x) (section 3). The authors list the
dimensions of LLaMA by hand; here they are found in the pictures at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._tokens import block_number, heat


@dataclass(frozen=True)
class AttentionSink:
    """(B, rows, cols): φ of each patch as it enters a layer, 0 … √C; in LLaVA's LLaMA, sinks have 20 and more.

    dims: how many dimensions are searched for massive values; or their numbers.
    """

    layer: int = -1
    dims: int | tuple[int, ...] = 2

    def __call__(self, scene: Scene) -> Heatmap:
        return heat(scene, self.phi(scene, block_number(scene, self.layer)), self)

    def phi(self, scene: Scene, layer: int) -> Tensor:
        """(B, prefix + N)."""
        massive = _massive(_entering(scene, layer))
        chosen = self.dims if isinstance(self.dims, tuple) else self.dimensions(scene, layer)
        return massive[..., list(chosen)].amax(-1)

    def dimensions(self, scene: Scene, layer: int) -> tuple[int, ...]:
        """The dimensions with the largest |x_d| / RMS(x): of the most extreme token of each picture, the mean over pictures."""
        count = self.dims if isinstance(self.dims, int) else len(self.dims)
        extreme = _massive(_entering(scene, layer)).amax(1).mean(0)  # (C,)
        if not 1 <= count <= len(extreme):
            raise ValueError(f"dims is {count}, but 1..{len(extreme)} of the model's dimensions are wanted")
        return tuple(extreme.topk(count).indices.tolist())


def _entering(scene: Scene, layer: int) -> Tensor:
    tokens = scene.trace.tokens[layer - 1] if layer else scene.trace.embedded
    assert tokens is not None
    return tokens


def _massive(tokens: Tensor) -> Tensor:
    """(B, N, C): |x_d| / RMS(x)."""
    tokens = tokens.float()
    return tokens.abs() * torch.rsqrt(tokens.square().mean(-1, keepdim=True) + 1e-6)
