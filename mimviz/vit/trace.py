"""What one pass through a ViT left behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from .anatomy import Anatomy
from .attention import Mixing, read


@dataclass(eq=False)
class Layer:
    """One attention module in one pass: its input `x` (B, N, C) and keywords, `mixed` = A · V (B, N, C'), its output (B, N, C)."""

    name: str
    module: nn.Module
    x: Tensor
    keywords: dict[str, Any]
    mixed: Tensor | None = None
    output: Tensor | None = None

    @cached_property
    def mixing(self) -> Mixing:
        """q, k and v of this very pass."""
        with torch.no_grad():
            return read(self.module, self.x.detach(), self.keywords)

    @cached_property
    def certificate(self) -> Certificate:
        """How well A · V, recomputed, agrees with what the module made on the same input."""
        if self.mixed is None:
            raise ValueError(f"{self.name} was never projected in this pass, so there is nothing to compare with")
        return Certificate(self.name, self.mixing.values().float(), self.mixed.detach().float())


@dataclass(frozen=True)
class Certificate:
    """`error`: largest |recomputed − module| of A · V; `scale`: largest |module|; `exact`: whether that is rounding only."""

    name: str
    error: float
    scale: float
    tolerance: float

    def __init__(self, name: str, recomputed: Tensor, module: Tensor):
        for key, value in {
            "name": name,
            "error": float((recomputed - module).abs().max()),
            "scale": float(module.abs().max()),
            "tolerance": 1e-5,
        }.items():
            object.__setattr__(self, key, value)

    @property
    def exact(self) -> bool:
        return self.error <= self.tolerance * max(self.scale, 1e-12)


class Maps(Sequence[Tensor]):
    """A map for every layer, made when it is asked for: `maps[layer]`, also negative, is (B, heads, N, N)."""

    def __init__(self, count: int, make: Callable[[int], Tensor]):
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, layer: int) -> Tensor:  # type: ignore[override]
        return self._make(range(self._count)[layer])


@dataclass(eq=False)
class Trace:
    """What a pass over pictures left behind.

    layers: an entry for every attention module, in order. `attention[layer]` (B, heads, N, N) is the post-softmax map, made from
    q and k when asked for; `rows(layer, ids)` makes only some of its rows. `embedded` (B, N, C) went into the first block,
    `tokens[layer]` (B, N, C) came out of each (the last one before the final norm). `logits` (B, classes): what the model returned.
    """

    anatomy: Anatomy
    layers: list[Layer] = field(default_factory=list)
    tokens: list[Tensor] = field(default_factory=list)
    embedded: Tensor | None = None
    logits: Tensor | None = None
    backward: Callable[[], Gradients] | None = None

    @property
    def attention(self) -> Maps:
        return Maps(len(self.layers), lambda layer: self.layers[layer].mixing.weights())

    @property
    def attention_grad(self) -> Maps:
        """∂ score / ∂ attention[layer], (B, heads, N, N): exact, from one backward pass of the scene's target."""
        if self.backward is None:
            raise ValueError("this trace belongs to no scene with a target, so it has no gradient: use Scene(...).trace")
        mixed = self.backward().mixed
        return Maps(len(self.layers), lambda layer: self.layers[layer].mixing.weights_grad(mixed[layer]))

    @property
    def token_grad(self) -> list[Tensor]:
        """∂ score / ∂ tokens[layer], (B, N, C) for every block."""
        if self.backward is None:
            raise ValueError("this trace belongs to no scene with a target, so it has no gradient: use Scene(...).trace")
        return self.backward().tokens

    def rows(self, layer: int, ids: Tensor) -> Tensor:
        """(B, heads, R, N): the attention of the tokens numbered `ids` (R,) alone."""
        return self.layers[layer].mixing.weights(ids)

    @property
    def certificate(self) -> Certificate:
        """The worst of all layers."""
        return max((layer.certificate for layer in self.layers), key=lambda c: c.error / max(c.scale, 1e-12))


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of the scene's score: by every layer's A · V, by every block's output, and by the pictures (B, 3, H, W)."""

    mixed: list[Tensor]
    tokens: list[Tensor]
    images: Tensor
