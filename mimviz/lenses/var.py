"""See What You Are Told: Visual Attention Sink in Large Multimodal Models. Kang, Kim, Kim, Hwang. ICLR 2025. arXiv 2503.03321.

VAR (section 5) takes the share 1 − p of the attention that sinks get (φ at least τ), to give it to the other patches in proportion,
in heads that look at the picture: sinks hold at most ρ of what goes to patches, and patches at least `least` of all. Confirmed in
seilk/VisAttnSink: τ 20, ρ 0.5, p 0.6, `least` 0.2, last layer left alone, query rows of text alone. Here the class token and
registers stand for text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..vit import Scene
from ..vit.edit import edited
from ._tokens import one_grid
from .sink import AttentionSink


@dataclass(frozen=True, eq=False)
class Redistribution:
    """`logits` before, `changed` after, (B, classes); `sinks` (layers, B, tokens); the `heads` (layers, B, heads) that changed."""

    logits: Tensor
    changed: Tensor
    sinks: Tensor
    heads: Tensor


@dataclass(frozen=True)
class VAR:
    """Redistributes attention from sinks to other patches in one pass, and says what the model answers then.

    p: the share of its attention that a sink keeps. rho, least: which heads look at the picture. tau: φ from which a token is a
    sink; None is the 0.95 quantile over the tokens of a picture, for models too narrow to reach 20.
    """

    p: float = 0.6
    rho: float = 0.5
    least: float = 0.2
    tau: float | None = 20.0
    dims: int | tuple[int, ...] = 2

    def __call__(self, scene: Scene) -> Redistribution:
        one_grid(scene, "sinks cannot be followed through its layers")
        layers = len(scene.trace.layers)
        sinks = torch.stack([self.sinks(scene, layer) for layer in range(layers)])
        heads = torch.stack([self._chosen(scene, scene.trace.attention[i], sinks[i]).any(-1) for i in range(layers)])
        heads[-1] = False
        with edited(scene.model, maps={i: self._change(scene, sinks[i]) for i in range(layers - 1)}):
            changed = Scene(scene.model, scene.images, target=scene.target).trace.logits
        assert changed is not None
        return Redistribution(scene.logits, changed, sinks, heads)

    def sinks(self, scene: Scene, layer: int) -> Tensor:
        """(B, prefix + N) boolean."""
        phi = AttentionSink(dims=self.dims).phi(scene, layer)
        tau = phi.quantile(0.95, dim=1, keepdim=True) if self.tau is None else self.tau
        return phi >= tau

    def redistribute(self, scene: Scene, attention: Tensor, sinks: Tensor) -> Tensor:
        """(B, heads, Q, K) → the same, rows summing to 1 as before."""
        patches = torch.arange(attention.shape[-1], device=attention.device) >= scene.prefix
        sink = sinks[:, None, None]  # (B, 1, 1, K)
        freed = (attention * sink).sum(-1, keepdim=True) * (1 - self.p)
        others = attention * (~sink & patches)
        share = others / others.sum(-1, keepdim=True).clamp_min(torch.finfo(attention.dtype).tiny)
        moved = torch.where(sink, attention * self.p, attention) + freed * share
        return torch.where(self._chosen(scene, attention, sinks)[..., None], moved, attention)

    def _chosen(self, scene: Scene, attention: Tensor, sinks: Tensor) -> Tensor:
        """(B, heads, Q): the rows that are redistributed, of the class token and registers, or of all where there are none."""
        seen = attention[..., scene.prefix :]
        whole = seen.sum(-1)
        sunk = (seen * sinks[:, None, None, scene.prefix :]).sum(-1)
        asks = torch.arange(attention.shape[-2], device=attention.device) < (scene.prefix or attention.shape[-2])
        return (sunk > 0) & (sunk <= self.rho * whole) & (whole >= self.least) & asks

    def _change(self, scene: Scene, sinks: Tensor) -> Callable[[Tensor], Tensor]:
        nothing = self.p == 1 or not sinks.any()
        return lambda maps: maps if nothing else self.redistribute(scene, maps, sinks)
