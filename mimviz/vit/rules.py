"""Contexts in which a model's backward pass follows other rules; its outputs stay what they were, and all is undone at the end.

A module inside such a context gets a `forward` of its own, taken away afterwards, also after an exception: nothing else is
touched. A rule is written as a value and a slope: `straight(value, slope, x)` is `value` with the derivative `slope`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .evaluating import evaluating

ReLURule = Literal["guided", "deconvolution"]


@contextmanager
def replaced(model: nn.Module, forward: Callable[[nn.Module], Callable[..., Any] | None]) -> Iterator[int]:
    """While inside, each module for which `forward(module)` is a function runs that; yields how many there are."""
    with evaluating(model), ExitStack() as undo:
        count = 0
        for module in model.modules():
            own = forward(module)
            if own is None:
                continue
            found = module.__dict__.get("forward")
            undo.callback(_restore, module, found)
            module.__dict__["forward"] = own
            count += 1
        yield count


def _restore(module: nn.Module, found: Any) -> None:
    if found is None:
        del module.__dict__["forward"]
    else:
        module.__dict__["forward"] = found


def straight(value: Tensor, slope: Tensor | float, x: Tensor) -> Tensor:
    """`value`, with the derivative `slope` by `x`."""
    value = value.detach()
    slope = slope.detach() if isinstance(slope, Tensor) else slope
    return value + slope * (x - x.detach())


# --- activations ---

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "GELU": F.gelu,
    "GELUTanh": lambda x: F.gelu(x, approximate="tanh"),
    "QuickGELU": lambda x: x * torch.sigmoid(1.702 * x),
    "SiLU": F.silu,
    "Swish": F.silu,
    "Hardswish": F.hardswish,
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "ELU": F.elu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
}


def activation(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """The function of an elementwise activation module, never in place, or None for another module."""
    if isinstance(module, nn.GELU):
        return lambda x: F.gelu(x, approximate=module.approximate)
    if isinstance(module, (nn.LeakyReLU, nn.ELU)):
        constant = module.negative_slope if isinstance(module, nn.LeakyReLU) else module.alpha
        function = F.leaky_relu if isinstance(module, nn.LeakyReLU) else F.elu
        return lambda x: function(x, constant)
    return ACTIVATIONS.get(type(module).__name__)


class _Gate(torch.autograd.Function):
    """An activation that lets only positive signals back: "guided" through its own slope as well, "deconvolution" instead of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor], rule: ReLURule) -> Tensor:
        ctx.function, ctx.rule = function, rule
        ctx.save_for_backward(x)
        return function(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,), upper = ctx.saved_tensors, grads[0].clamp_min(0)
        if ctx.rule == "guided":
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                (upper,) = torch.autograd.grad(ctx.function(leaf), leaf, upper)
        return upper, None, None


@contextmanager
def gated(model: nn.Module, rule: ReLURule) -> Iterator[int]:
    """Backward through ReLU as DeconvNet, g · 1[g > 0], or guided backpropagation, g · 1[g > 0] · 1[x > 0], has it.

    Of a smooth activation, the slope f'(x) stands for 1[x > 0]: for ReLU the same. Yields the number of activation modules.
    """

    def own(module: nn.Module) -> Callable[..., Any] | None:
        function = activation(module)
        return None if function is None else lambda x: _Gate.apply(x, function, rule)

    with replaced(model, own) as count:
        yield count


@contextmanager
def out_of_place(model: nn.Module) -> Iterator[None]:
    """No module writes over its input while inside: what others' hooks need."""
    with evaluating(model):
        flagged = [module for module in model.modules() if getattr(module, "inplace", False) is True]
        try:
            for module in flagged:
                module.inplace = False  # type: ignore[assignment]
            yield
        finally:
            for module in flagged:
                module.inplace = True  # type: ignore[assignment]
