"""What goes into and comes out of parts of a model during one pass, and a pass that ends early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from ..vit import Encoder


@contextmanager
def outputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While inside, what these parts put out, by name, with its gradient."""
    found: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name in names:
            keep = lambda _, __, out, name=name: found.__setitem__(name, out)  # noqa: E731
            hooks.callback(model.get_submodule(name).register_forward_hook(keep).remove)
        yield found


@contextmanager
def inputs(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While inside, the first of what goes into these parts, by name."""
    found: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name in names:
            keep = lambda _, args, name=name: found.__setitem__(name, args[0])  # noqa: E731
            hooks.callback(model.get_submodule(name).register_forward_pre_hook(keep).remove)
        yield found


class _Enough(Exception):
    def __init__(self, output: Tensor) -> None:
        self.output = output


def as_far_as(encoder: Encoder, content: Tensor, ids: Tensor | None, layer: int) -> Tensor:
    """Tokens (B, prefix + K, width) behind block `layer`; the blocks after it do not run."""

    def stop(_: Any, __: Any, out: Tensor) -> None:
        raise _Enough(out)

    hook = encoder.vit.get_submodule(encoder.anatomy.blocks[layer]).register_forward_hook(stop)
    try:
        encoder(content, ids)
    except _Enough as done:
        return done.output
    finally:
        hook.remove()
    raise RuntimeError(f"block {layer} was never reached")
