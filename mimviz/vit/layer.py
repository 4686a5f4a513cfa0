"""One attention module, and one block, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ..core import Grid
from .attention import Mixing, Reader, Said, Windowed
from .certificate import Certificate, certify
from .layout import Layout

Change = Callable[[Tensor, Mixing], Tensor]


@dataclass(eq=False)
class Layer:
    """One attention module in one pass: its input `x` (B, N, C) and keywords, `mixed` = A · V, its output (B, N, C).

    `grid`: the cells that its queries lie on, behind `prefix` tokens; `keys`: those of its keys, the same but in Hiera's pooling
    blocks. Windows have theirs in `mixing`. `x`, `mixed` and `output` are None where the scene left this layer out. `said`: what
    its projections to q, k and v returned.
    """

    name: str
    module: nn.Module
    reader: Reader
    grid: Grid
    keys: Grid
    prefix: int = 0
    x: Tensor | None = None
    keywords: dict[str, Any] = field(default_factory=dict)
    mixed: Tensor | None = None
    output: Tensor | None = None
    changes: tuple[Change, ...] = ()
    place: Callable[[Mixing], Windowed] | None = None
    said: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    _weights: tuple[int, ...] = ()
    _autocast: tuple[str, torch.dtype, bool] = ("cpu", torch.bfloat16, False)

    def enter(self, x: Tensor, keywords: dict[str, Any], changes: tuple[Change, ...]) -> None:
        """What goes into the module now, under which weights and precision."""
        kind = x.device.type
        self.x, self.keywords, self.changes = x, keywords, changes
        self._weights = _versions(self.module)
        self._autocast = kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)

    @cached_property
    def mixing(self) -> Mixing | Windowed:
        """q, k and v of this very pass."""
        x = self._kept(self.x)
        if _versions(self.module) != self._weights:
            raise RuntimeError(
                f"the weights of {self.name} have changed since this pass, so its attention cannot be recomputed any more: "
                "make a new Scene"
            )
        kind, dtype, enabled = self._autocast
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, dtype=dtype, enabled=enabled):
            said = {name: each.detach() for name, (each, version) in self.said.items() if each._version == version}
            found = self.reader.read(Said(self.module, said), x.detach(), **self.keywords)
            if self.changes:
                found = replace(found, edit=self._change)
            return found if self.place is None else self.place(found)

    @cached_property
    def certificate(self) -> Certificate:
        """How well A · V, recomputed, and what follows agree with what the module made on the same input."""
        x, mixed, output = (self._kept(each).detach() for each in (self.x, self.mixed, self.output))
        kind, dtype, enabled = self._autocast
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, dtype=dtype, enabled=enabled):
            found = self.mixing.values()
            return certify(self.name, (found, mixed), (self.reader.output(self.module, found, x), output))

    def say(self, name: str, output: Tensor) -> None:
        """What a projection inside said; should the module write into it, it is computed again when asked for."""
        self.said.setdefault(name, (output, output._version))

    def _change(self, weights: Tensor, mixing: Mixing) -> Tensor:
        for change in self.changes:
            weights = change(weights, mixing)
        return weights

    def _kept(self, found: Tensor | None) -> Tensor:
        if found is None:
            why = (
                "was left out of this pass: name it in Scene(…, layers=…)" if self.x is None else "was never projected"
            )
            raise ValueError(f"{self.name} {why}")
        return found


@dataclass(frozen=True, eq=False)
class Block:
    """What a block made in one pass: `output` in its own layout; `tokens` (B, prefix + N, C) in the order of the picture."""

    name: str
    output: Tensor | None
    layout: Layout

    @property
    def tokens(self) -> Tensor:
        return self.laid(self.output)

    def laid(self, output: Tensor | None) -> Tensor:
        """Numbers in the block's own layout, or their gradient, in the order of the picture."""
        if output is None:
            raise ValueError(f"{self.name} was left out of this pass: name it in Scene(…, layers=…)")
        return self.layout.tokens(output)


def _versions(module: nn.Module) -> tuple[int, ...]:
    """Counts that rise whenever weights are written to; they cannot be counted for weights made in inference mode."""
    return tuple(0 if each.is_inference() else each._version for each in module.parameters())
