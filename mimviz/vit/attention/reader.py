"""How one family's attention module is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .mixing import Mixing
from .windows import Windowed


def projection(module: Any) -> nn.Module:
    """The first to see A · V in most families."""
    return module.proj


def projected(module: Any, mixed: Tensor, x: Tensor) -> Tensor:
    """What most families make of A · V in eval mode."""
    return module.proj(mixed)


PROJECTIONS = ("qkv", "q_proj", "k_proj", "v_proj", "qk", "v", "kv", "in_proj")
"""Names of the linear layers that most of a reader's time would go to."""


class Said:
    """An attention module that repeats what its projections said in a pass, so that a reader need not compute them again."""

    def __init__(self, module: nn.Module, said: dict[str, Tensor]):
        self._module, self._said = module, said

    def __getattr__(self, name: str) -> Any:
        return (lambda _: self._said[name]) if name in self._said else getattr(self._module, name)


@dataclass(frozen=True)
class Reader:
    """`read(module, x, **keywords of the call)` → Mixing. `enters(module)` is the submodule that A · V goes into first;
    `output(module, A · V, x)` what the module makes of it in eval mode.

    Where tokens are cut into windows or are not in the picture's order, `place(model, name, mixing, keys=…, queries=…)` puts them
    back; `keys` and `queries` are the grids before and after the module's block, which differ where it `pools`.
    """

    modules: tuple[type[nn.Module], ...]
    read: Callable[..., Mixing]
    enters: Callable[[Any], nn.Module] = projection
    output: Callable[[Any, Tensor, Tensor], Tensor] = projected
    place: Callable[..., Windowed] | None = None
    pools: bool = False
