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
from .layout import Layout


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


@dataclass(frozen=True, eq=False)
class Block:
    """What a block made in one pass: `output` in its own layout; `tokens` (B, prefix + N, C) in the order of the picture."""

    name: str
    output: Tensor
    layout: Layout

    @property
    def tokens(self) -> Tensor:
        return self.layout.tokens(self.output)


class Maps(Sequence[Tensor]):
    """A tensor for every layer, made when it is asked for: `maps[layer]`, also negative."""

    def __init__(self, count: int, make: Callable[[int], Tensor], none: str = ""):
        self._count, self._make, self._none = count, make, none

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, layer: int) -> Tensor:  # type: ignore[override]
        if not self._count:
            raise ValueError(self._none)
        if not -self._count <= layer < self._count:
            raise IndexError(f"layer is {layer}, but there are {self._count}: 0..{self._count - 1}, or -1 for the last")
        return self._make(layer % self._count)


@dataclass(eq=False)
class Trace:
    """What a pass over pictures left behind.

    layers: an entry for every attention module, in order (none in a conv net). `attention[layer]` (B, heads, N, N) is the
    post-softmax map, made from q and k when asked for; `rows(layer, ids)` makes only some of its rows. `embedded` went into the
    first block, `tokens[block]` (B, prefix + N, C) came out of each in the picture's order (the last one before the final norm);
    `maps(block)` is the same as a picture. `logits` (B, classes): what the model returned.
    """

    anatomy: Anatomy
    layers: list[Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    embedded: Tensor | None = None
    logits: Tensor | None = None
    backward: Callable[[], Gradients] | None = None

    @property
    def attention(self) -> Maps:
        return Maps(len(self.layers), lambda layer: self.layers[layer].mixing.weights(), self._no_attention)

    @property
    def attention_grad(self) -> Maps:
        """∂ score / ∂ attention[layer], (B, heads, N, N): exact, from one backward pass of the scene's target."""
        mixed = self._gradients().mixed
        make = lambda layer: self.layers[layer].mixing.weights_grad(mixed[layer])  # noqa: E731
        return Maps(len(self.layers), make, self._no_attention)

    @property
    def tokens(self) -> Maps:
        """(B, prefix + N, C) for every block, in the picture's order."""
        return Maps(len(self.blocks), lambda block: self.blocks[block].tokens, "this model names no blocks")

    @property
    def token_grad(self) -> Maps:
        """∂ score / ∂ tokens[block], (B, prefix + N, C)."""
        grads = self._gradients().blocks
        return Maps(
            len(self.blocks), lambda block: self.blocks[block].layout.tokens(grads[block]), "this model names no blocks"
        )

    def maps(self, layer: int) -> Tensor:
        """(B, C, rows, cols): what block `layer` (also negative) made of the patches, or the feature map of a conv net's stage."""
        return self._block(layer).layout.map(self.tokens[layer])

    def maps_grad(self, layer: int) -> Tensor:
        """∂ score / ∂ maps(layer), (B, C, rows, cols)."""
        return self._block(layer).layout.map(self.token_grad[layer])

    def rows(self, layer: int, ids: Tensor) -> Tensor:
        """(B, heads, R, N): the attention of the tokens numbered `ids` (R,) alone."""
        return self._layer(layer).mixing.weights(ids)

    @property
    def certificate(self) -> Certificate:
        """The worst of all layers."""
        if not self.layers:
            raise ValueError(self._no_attention)
        return max((layer.certificate for layer in self.layers), key=lambda c: c.error / max(c.scale, 1e-12))

    # --- inside ---

    @property
    def _no_attention(self) -> str:
        return f"{self.anatomy.family} has no attention to look at: ask trace.maps(layer) and trace.maps_grad(layer) instead"

    def _layer(self, layer: int) -> Layer:
        if not self.layers:
            raise ValueError(self._no_attention)
        return self.layers[layer]

    def _block(self, block: int) -> Block:
        if not -len(self.blocks) <= block < len(self.blocks):
            raise IndexError(f"layer is {block}, but there are {len(self.blocks)} blocks, numbered from 0")
        return self.blocks[block]

    def _gradients(self) -> Gradients:
        if self.backward is None:
            raise ValueError(
                "this trace belongs to no scene with a target, so it has no gradient: use Scene(...).trace"
            )
        return self.backward()


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of the scene's score: by every layer's A · V, by every block's output, and by the pictures (B, 3, H, W)."""

    mixed: list[Tensor]
    blocks: list[Tensor]
    images: Tensor
