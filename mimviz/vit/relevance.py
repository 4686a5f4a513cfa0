"""Layer-wise relevance propagation as a backward pass: inside the context, input × gradient is relevance.

Every rule is a slope. LRP-0 of a linear layer is its own slope. γ favours what speaks for the output: the layer's slope with its
positive weights enlarged, scaled so that the output is shared out whole. An activation passes relevance on unchanged: its slope
is f(x) / x. A norm is its scale, held fixed, and so is a B-cos layer. Of a product of two, each factor gets half (AttnLRP,
Achtibat et al., ICML 2024, equations 15 and 9), and softmax keeps its slope, which times the input is their equation 13; or
attention is held fixed and its values get all (Ali et al., ICML 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import is_read, read
from .bcos import BCos
from .rules import activation, replaced, straight

Attention = Literal["product", "fixed"]


@contextmanager
def relevance(
    model: nn.Module, *, gamma: float = 0.0, dense: float | None = None, attention: Attention = "product"
) -> Iterator[None]:
    """While inside, input × gradient of a score is its relevance by pixel.

    gamma: 0 is LRP-0, larger favours positive contributions in linear and convolutional layers, inf is the α1β0 (z⁺) rule.
    dense: the same for linear layers alone, as `gamma` unless told.
    attention: "product" is AttnLRP, "fixed" holds the attention maps as they are.
    """
    dense = gamma if dense is None else dense
    if not min(gamma, dense) >= 0 or attention not in ("product", "fixed"):
        raise ValueError(f"gamma={gamma}, attention={attention!r}, but at least 0 and 'product' or 'fixed' are wanted")

    def own(module: nn.Module) -> Callable[..., Any] | None:
        if isinstance(module, BCos):
            return module.held
        function = activation(module)
        if function is not None:
            return lambda x: _passed_on(function, x)
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            return _norm(module)
        favour = {nn.Linear: dense, nn.Conv2d: gamma}.get(_kind(module), 0.0)
        if favour > 0:
            return lambda x: _favoured(module, x, favour)
        return _attention(module, attention) if is_read(module) else None

    with replaced(model, own):
        yield


def _kind(module: nn.Module) -> type[nn.Module] | None:
    return next((kind for kind in (nn.Linear, nn.Conv2d) if isinstance(module, kind)), None)


def _passed_on(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    value = function(x)
    return straight(value, torch.where(x == 0, 0.0, value / torch.where(x == 0, 1.0, x)), x)


def _norm(module: Any) -> Callable[[Tensor], Tensor]:
    """The norm's value; its slope is centring and scaling, with the scale held fixed."""
    forward = type(module).forward

    def held(x: Tensor) -> Tensor:
        value = forward(module, x)
        if isinstance(module, nn.GroupNorm):
            grouped = x.unflatten(1, (module.num_groups, -1)).flatten(2)
            mean, std = (
                grouped.mean(2, keepdim=True),
                (grouped.var(2, unbiased=False, keepdim=True) + module.eps).sqrt(),
            )
            lin = ((grouped - mean) / std.detach()).reshape(x.shape)
            lin = lin * (1 if module.weight is None else module.weight[:, None, None])
        else:
            dim = 1 if type(module).__name__.endswith("2d") and x.ndim == 4 else -1
            mean, std = x.mean(dim, keepdim=True), (x.var(dim, unbiased=False, keepdim=True) + module.eps).sqrt()
            weight = 1 if module.weight is None else module.weight
            weight = weight[:, None, None] if dim == 1 and isinstance(weight, Tensor) else weight
            lin = (x - mean) / std.detach() * weight
        return value.detach() + lin - lin.detach()

    return held


def _favoured(module: Any, x: Tensor, gamma: float) -> Tensor:
    """The γ rule for inputs of either sign: what has the output's sign grows by 1 + γ, then all is scaled to the output."""
    weight, bias = module.weight, module.bias

    def layer(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        if isinstance(module, nn.Linear):
            return F.linear(x, w, b)
        return module._conv_forward(x, w, b)

    up, down = (_enlarged(weight, gamma, sign) for sign in (1, -1))
    b_up, b_down = (None if bias is None else _enlarged(bias, gamma, sign) for sign in (1, -1))
    value = layer(x, weight, bias)
    high = layer(x.clamp_min(0), up, b_up) + layer(x.clamp_max(0), down, None)
    low = layer(x.clamp_min(0), down, b_down) + layer(x.clamp_max(0), up, None)
    z = torch.where(value > 0, high, low)
    share = torch.where(z == 0, 0.0, value / torch.where(z == 0, 1.0, z)).detach()
    lin = z * share
    return value.detach() + lin - lin.detach()


def _enlarged(weight: Tensor, gamma: float, sign: int) -> Tensor:
    part = (sign * weight).clamp_min(0) * sign
    return part if gamma == float("inf") else weight + gamma * part


def _attention(module: Any, how: Attention) -> Callable[..., Tensor]:
    def mixed(x: Tensor, **keywords: Any) -> Tensor:
        found = read(module, x, keywords)
        half = _half if how == "product" else (lambda t: t)
        q, k = (half(each) for each in (found.q, found.k))
        scores = (q * found.scale) @ k.transpose(-2, -1)
        weights = torch.softmax(scores if found.bias is None else scores + found.bias, dim=-1)
        weights = half(weights) if how == "product" else weights.detach()
        out = (weights @ half(found.v)).transpose(1, 2).flatten(2)  # (B, N, heads · d)
        if isinstance(getattr(module, "norm", None), nn.Module):
            out = module.norm(out)
        return module.proj(out)

    return mixed


def _half(x: Tensor) -> Tensor:
    return straight(x, 0.5, x)
