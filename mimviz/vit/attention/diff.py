"""Differential attention (Ye et al., ICLR 2025, arXiv 2410.05258, equation 1): a difference of two maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.layers.diff_attention import DiffAttention
from torch import Tensor, nn

from .mixing import Heads, Mixing, Rows, part, softmax
from .plain import masked
from .reader import Reader


@dataclass(frozen=True, eq=False)
class Difference(Mixing):
    """A = softmax(q₁ · k₁ᵀ · scale) − λ softmax(q₂ · k₂ᵀ · scale): rows sum to 1 − λ.

    q and k (B, heads, 2, N, d). Entries may be negative.
    """

    less: Tensor | float = 0.0

    def _made(self, rows: Rows, heads: Heads) -> Tensor:
        q, k = self.q[:, heads][:, :, :, rows], self.k[:, heads]
        scores = (q * self.scale) @ k.transpose(-2, -1)  # (B, heads, 2, R, N)
        if self.bias is not None:
            scores = scores + part(self.bias, rows, heads)[..., None, :, :]
        first, second = softmax(scores).unbind(2)
        return first - self.less * second

    def split(self, mixed: Tensor) -> Tensor:
        return mixed  # the norm of each head comes before heads are joined

    def join(self, heads: Tensor) -> Tensor:
        return heads


def read_diff(module: Any, x: Tensor, *, attn_mask: Tensor | None = None, is_causal: bool = False) -> Difference:
    """`x` (B, N, C) as it went into the module, with the keywords of that call."""
    q, k, v = module.qkv(x).chunk(3, dim=2)
    return differing(module, q, k, v, masked(x, attn_mask, is_causal))


def differing(module: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Difference:
    """From the projections (B, N, C)."""
    q, k = (each.unflatten(-1, (2 * module.num_heads, module.head_dim)).transpose(1, 2) for each in (q, k))
    q, k = (each.unflatten(1, (module.num_heads, 2)) for each in (module.q_norm(q), module.k_norm(k)))
    v = v.unflatten(-1, (module.num_heads, -1)).transpose(1, 2)
    return Difference(q, k, v, module.scale, bias, less=module._compute_lambda().type_as(q))


def _sub_norm(module: Any) -> nn.Module:
    return module.sub_norm


def _normed(module: Any, mixed: Tensor, x: Tensor) -> Tensor:
    mixed = module.sub_norm(mixed) * (1 - module.lambda_init)
    return module.proj(module.norm(mixed.transpose(1, 2).flatten(2)))


READER = Reader((DiffAttention,), read_diff, enters=_sub_norm, output=_normed)
