"""Quantifying Attention Flow in Transformers. Abnar, Zuidema. ACL 2020. arXiv 2005.00928.

Attention rollout, section 3: with the residual stream as half of every step, A + I with rows that sum to 1, multiplied from the
first layer to the last. Equal to Chefer's `compute_rollout_attention`; `discard` is jacobgil/vit-explain's addition, with rows that
still sum to 1 for any batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._tokens import Fusion, fused_of, heat, layer_number, reading


@dataclass(frozen=True)
class Rollout:
    """(B, rows, cols): how much of what the head reads comes from each patch, 0..1, if attention were all there is.

    start_layer: the first layer that counts. fusion: how heads are joined. discard: the share 0..1 of a layer's weakest attention
    that is set to 0 before its rows are made to sum to 1 again; what the first token gives itself is never discarded.
    """

    start_layer: int = 0
    fusion: Fusion = "mean"
    discard: float = 0.0

    def __call__(self, scene: Scene) -> Heatmap:
        if not 0 <= self.discard < 1:
            raise ValueError(f"discard is {self.discard}, but a share of at least 0 and below 1 is wanted")
        first = layer_number(scene, self.start_layer)
        row = reading(scene)[:, None]  # (B, 1, N): only the rows that the head reads are rolled out
        for layer in reversed(range(first, len(scene.trace.layers))):
            row = row @ self._step(fused_of(scene, layer, self.fusion))
        return heat(scene, row[:, 0], self)

    def matrix(self, scene: Scene) -> Tensor:
        """(B, N, N): the whole joint attention; row i says where token i, after the last layer, comes from."""
        joint = None
        for layer in range(layer_number(scene, self.start_layer), len(scene.trace.layers)):
            step = self._step(fused_of(scene, layer, self.fusion))
            joint = step if joint is None else step @ joint
        assert joint is not None
        return joint

    def _step(self, attention: Tensor) -> Tensor:
        """(B, N, N) → the same, with the residual, rows summing to 1."""
        N = attention.shape[-1]
        if self.discard:
            flat = attention.flatten(1)
            weakest = flat.topk(int(flat.shape[1] * self.discard), largest=False).indices
            gone = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, weakest, True)
            gone[:, 0] = False
            attention = flat.masked_fill(gone, 0.0).reshape(-1, N, N)
        return with_residual(attention)


def with_residual(attention: Tensor) -> Tensor:
    """(…, N, N) → A + I, rows summing to 1: half of what a token becomes is what it was (Abnar & Zuidema, section 3)."""
    step = attention + torch.eye(attention.shape[-1], device=attention.device)
    return step / step.sum(-1, keepdim=True)
