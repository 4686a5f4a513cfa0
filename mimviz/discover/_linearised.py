"""Blocks of a ViT as matrices, as SINDER takes them (Wang et al., ECCV 2024): no mixing of tokens, no scale in norms.

The paper fits the MLP's hidden units by least squares on 100,000 Gaussian inputs. With infinitely many, the answer is exact by
Stein's lemma: row i is E[∂hᵢ/∂x], which for one unit is an integral over a line. That is computed here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

NODES = 601  # of the trapezoid rule: exact to rounding for smooth activations, to 0.5 % for those with a kink


def block_matrix(block: nn.Module, name: str) -> Tensor:
    """(C, C): A_mlp · A_attn of one block, each with its residual. TypeError, with the reason, for blocks built in another way."""
    return mlp_matrix(block, name) @ attention_matrix(block, name)


@torch.no_grad()
def attention_matrix(block: Any, name: str) -> Tensor:
    """I + diag(ls₁) W_o W_v diag(γ₁) C, with C = I − 11ᵀ / C."""
    attn = getattr(block, "attn", None)
    extra = [part for part in ("norm", "gate") if not isinstance(getattr(attn, part, None), (nn.Identity, type(None)))]
    if attn is None or extra or not hasattr(attn, "proj"):
        raise TypeError(f"{name} cannot be written as a matrix: its attention has {' and '.join(extra) or 'no projection'}")
    read = value_weight(attn)
    inner = attn.proj.weight @ read
    return _with_residual(block, inner, "norm1", ("ls1", "gamma_1"), name)


@torch.no_grad()
def mlp_matrix(block: Any, name: str) -> Tensor:
    """I + diag(ls₂) W_out A diag(γ₂) C, A the best linear stand-in for the hidden units."""
    mlp = getattr(block, "mlp", None)
    if mlp is None or not hasattr(mlp, "fc2"):
        raise TypeError(f"{name} cannot be written as a matrix: it has no MLP with fc2")
    if not isinstance(getattr(mlp, "norm", None), (nn.Identity, type(None))):
        raise TypeError(f"{name} cannot be written as a matrix: a norm inside its MLP ties the hidden units together")
    return _with_residual(block, mlp.fc2.weight @ hidden_matrix(mlp, name), "norm2", ("ls2", "gamma_2"), name)


def value_weight(attn: Any) -> Tensor:
    """(C', C): what makes values of tokens."""
    fused = getattr(attn, "qkv", None)
    return attn.v_proj.weight if fused is None else fused.weight[-fused.weight.shape[0] // 3 :]


def hidden_matrix(mlp: Any, name: str) -> Tensor:
    """(hidden, C): E[∂h/∂x] for x ~ N(0, I)."""
    if hasattr(mlp, "fc1_g"):  # act(g) · x
        return _gated(mlp.act, mlp.fc1_g.weight, mlp.fc1_g.bias, mlp.fc1_x.weight, mlp.fc1_x.bias)
    if not hasattr(mlp, "fc1"):
        raise TypeError(f"{name} cannot be written as a matrix: its MLP, {type(mlp).__name__}, is none that mimviz reads")
    weight, bias = mlp.fc1.weight, mlp.fc1.bias
    if hasattr(mlp, "gate_last"):  # both halves in one matrix
        (w, v), (b, d) = weight.chunk(2), bias.chunk(2) if bias is not None else (None, None)
        return _gated(mlp.act, v, d, w, b) if mlp.gate_last else _gated(mlp.act, w, b, v, d)
    z, p = _nodes(weight, bias)  # (hidden, nodes), (nodes,)
    return (_slope(mlp.act, z)[1] @ p)[:, None] * weight


def _gated(act: nn.Module, g: Tensor, b: Tensor | None, x: Tensor, d: Tensor | None) -> Tensor:
    """h = act(a) · c with a = g·x + b and c = x·x + d: E[act'(a) c] g + E[act(a)] x, where E[c | a] is linear in a."""
    z, p = _nodes(g, b)
    value, slope = _slope(act, z)
    centred = z - (0 if b is None else b[:, None])
    tie = (g * x).sum(1) / (g * g).sum(1).clamp_min(1e-30)
    c = tie[:, None] * centred + (0 if d is None else d[:, None])  # (hidden, nodes)
    return ((slope * c) @ p)[:, None] * g + (value @ p)[:, None] * x


def _nodes(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Nodes (hidden, n) and weights (n,) for w·x + b, which is Gaussian with mean b and width |w|."""
    at = torch.linspace(-9, 9, NODES, dtype=weight.dtype, device=weight.device)
    p = torch.softmax(-(at**2) / 2, 0)
    z = weight.norm(dim=1)[:, None] * at
    return (z if bias is None else z + bias[:, None]), p


def _slope(act: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        value = act(z * 1.0)  # not the leaf itself: an activation may work in place
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope


def _with_residual(block: Any, inner: Tensor, norm: str, scales: tuple[str, str], name: str) -> Tensor:
    """I + diag(ls) inner diag(γ) C."""
    first = getattr(block, norm, None)
    gamma = getattr(first, "weight", None)
    if not isinstance(first, nn.Module):
        raise TypeError(f"{name} cannot be written as a matrix: it has no {norm} in front of its branch")
    if gamma is not None:
        inner = inner * gamma
    if isinstance(first, nn.LayerNorm):  # an RMS norm does not centre
        inner = inner - inner.mean(1, keepdim=True)
    scale = next((getattr(block, each) for each in scales if getattr(block, each, None) is not None), None)
    scale = getattr(scale, "gamma", scale)
    if isinstance(scale, Tensor):
        inner = scale[:, None] * inner
    return torch.eye(inner.shape[0], dtype=inner.dtype, device=inner.device) + inner
