"""What a format makes of a file: what it found, the tensors in the house's names, and the models they go into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ...grammar import MaskedModel
from ...vit import Encoder
from ..found import Finding


@dataclass(frozen=True)
class Wish:
    """What the caller knows and the file does not say: None where nothing was said."""

    normalize: bool | None = None
    heads: int | None = None
    decoder_heads: int | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """`vit()` is the untrained timm model that takes `encoder`, tensors in timm's names; `model(Encoder(vit))` the untrained masked
    model that takes these (under `encoder.vit.`) and `rest`. `model` is None where `found.obstacle` says why."""

    found: Finding
    encoder: dict[str, Tensor]
    vit: Callable[[], nn.Module] | None = None
    rest: dict[str, Tensor] | None = None
    model: Callable[[Encoder], MaskedModel] | None = None


def renamed(tensors: dict[str, Tensor], table: dict[str, str]) -> dict[str, Tensor]:
    """The tensors whose names begin with a key of `table`, with what stands there instead; the first that fits counts."""
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        start = next((s for s in table if name.startswith(s)), None)
        if start is not None:
            out[table[start] + name.removeprefix(start)] = tensor
    return out


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def options(beside: dict[str, Any], name: str) -> Any:
    """An option of the training script that wrote the file; None where it did not keep them."""
    args = beside.get("args")
    return args.get(name) if isinstance(args, dict) else None
