"""The way back through one block, from the mean of the tokens that leave it to A · V of its attention, without a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..vit import Scene
from ._residual import alike, halves, writing


@torch.no_grad()
def by_mixed(scene: Scene, layer: int, grad: Tensor) -> Tensor:
    """∂ score / ∂ A · V (B, N, heads · d) of a layer, from `grad` (B, C), that by the mean of the tokens that leave its block.

    All tokens get the same `grad` / N there, so the MLP's second layer is a product of one vector, and only its first is
    multiplied with all tokens, there and back. Raises TypeError for blocks that do not add attention and a plain MLP in turn.
    """
    before, by_attention, by_mlp = halves(scene, layer)
    block: Any = scene.subject.vit.get_submodule(scene.anatomy.blocks[layer])
    weights, _ = writing(scene, layer)  # (heads, d, C)
    grad = (grad / before.shape[1])[:, None]  # (B, 1, C)
    return (grad + _by_mlp(block, before + by_attention, by_mlp, grad)) @ weights.flatten(0, 1).T


def _by_mlp(block: Any, x: Tensor, added: Tensor, grad: Tensor) -> Tensor:
    """(B, N, C): `grad` (B, 1, C) back through scale · fc2(act(fc1(norm2(x)))); TypeError where that is not what was `added`."""
    parts: tuple[Any, Any] = getattr(block, "mlp", None), getattr(block, "norm2", None)
    mlp, norm = parts
    plain = type(mlp).__name__ == "Mlp" and isinstance(mlp.fc1, nn.Linear) and isinstance(mlp.norm, nn.Identity)
    if not plain or not isinstance(norm, nn.LayerNorm):
        raise TypeError(f"{type(mlp).__name__} behind {type(norm).__name__} is no plain MLP")
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        normed = norm(x)
        hidden = mlp.fc1(normed.detach()).detach().requires_grad_()
        acted = mlp.act(hidden)
        some = slice(None, None, max(1, x.shape[1] // 2))  # what holds for two tokens holds for all
        if not alike(_scaled(block, mlp.fc2(acted[:, some])).detach(), added[:, some]):
            raise TypeError(f"{type(block).__name__} adds more than attention and one MLP")
        above = (_scaled(block, grad) @ mlp.fc2.weight).detach().expand_as(hidden)
        (by_hidden,) = torch.autograd.grad(acted, hidden, above)
        return torch.autograd.grad(normed, x, by_hidden @ mlp.fc1.weight.detach())[0]


def _scaled(block: Any, x: Tensor) -> Tensor:
    """Times what the block multiplies its MLP with; its gradient likewise."""
    scale = getattr(block, "gamma_2", None)
    scale = getattr(getattr(block, "ls2", None), "gamma", None) if scale is None else scale
    return x if scale is None else x * scale
