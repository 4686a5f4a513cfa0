"""What the readers of one trace share: maps and what is made of them, up to a limit of bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from torch import Tensor

LIMIT = 2**28
"""Bytes that a trace keeps for its readers: 44 MB of maps and gradients for ViT-B/16 at 224 px, 120 MB for ViT-L/16, none for
DINOv2-L at 518 px, whose maps have 2.9 GB and of which only the means over heads are kept."""


@dataclass(eq=False)
class Kept:
    """`kept(key, make)`: what `make()` returned the first time, as long as nobody has written into it.

    Of `of` such tensors, one for each layer, none is kept unless all fit into half of `limit` bytes: readers go through the layers
    in turn, and a shelf that holds half of them would forget each before it is asked for again. Nothing that carries a gradient is
    kept. `limit = 0` keeps nothing more; `clear()` forgets.
    """

    limit: int = LIMIT
    _held: dict[Hashable, tuple[Tensor, int]] = field(default_factory=dict)

    def __call__(self, key: Hashable, make: Callable[[], Tensor], *, of: int = 1) -> Tensor:
        held = self.get(key)
        if held is not None:
            return held
        made = make()
        size = made.untyped_storage().nbytes()
        plain = not made.requires_grad and not made.is_inference()
        if plain and 2 * size * of <= self.limit and self.bytes + size <= self.limit:
            self._held[key] = made, made._version
        return made

    def get(self, key: Hashable) -> Tensor | None:
        """What is kept under `key`, None where there is nothing or it was written into."""
        made, version = self._held.get(key, (None, 0))
        if made is not None and made._version != version:
            del self._held[key]
            return None
        return made

    def clear(self) -> None:
        self._held.clear()

    @property
    def bytes(self) -> int:
        """Held now."""
        return sum(made.untyped_storage().nbytes() for made, _ in tuple(self._held.values()))
