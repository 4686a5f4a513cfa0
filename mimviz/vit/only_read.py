"""A pass that makes no token that nobody reads: past its last attention, a ViT that reads its class token needs no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from .encoders.passes import mixed
from .standing_in import replaced, standing_in, watched


@contextmanager
def only_read(model: Any) -> Iterator[None]:
    """Inside, in this thread, the last block of a plain timm ViT that reads its class token gives its prefix tokens alone.

    The model's output is the same to rounding, and so is its gradient, for a twelfth less in a ViT of 12 layers. Nothing changes
    for other models, nor where somebody watches or has changed the last block, or unfused it to differentiate twice.
    """
    block = _last(model)
    if block is None:
        yield
        return

    def forward(x: Tensor, **keywords: Any) -> Tensor:
        whole = keywords or any(map(watched, (*block.modules(), model.blocks, model.norm)))
        return Block.forward(block, x, **keywords) if whole else _read(block, x, model.num_prefix_tokens)

    with standing_in(block, forward):
        yield


def _last(model: Any) -> Any:
    """The last block, where all that it does for one token, but for attention, is done to that token alone."""
    if type(model) not in (VisionTransformer, VisionTransformerDistilled) or model.attn_pool is not None:
        return None
    block = model.blocks[-1]
    if type(block) is not Block or model.global_pool != "token" or model.grad_checkpointing:
        return None
    attn, mlp, plain = block.attn, block.mlp, all(isinstance(each, nn.LayerNorm) for each in (block.norm1, block.norm2))
    if type(attn) is not Attention or type(mlp) is not Mlp or type(attn.qkv) is not nn.Linear or not plain:
        return None
    if not attn.fused_attn or not isinstance(attn.norm, nn.Identity) or attn.gate is not None:
        return None
    return None if any(map(replaced, block.modules())) else block


def _read(block: Any, x: Tensor, prefix: int) -> Tensor:
    """(B, N, C) → (B, prefix, C): keys and values of all tokens, and all else of the first."""
    attn, normed, read = block.attn, block.norm1(x), x[:, :prefix]
    weight, bias, width = attn.qkv.weight, attn.qkv.bias, attn.qkv.out_features // 3
    parts = partial(Tensor.unflatten, dim=-1, sizes=(-1, attn.num_heads, attn.head_dim))
    q = parts(
        F.linear(normed[:, :prefix], weight[:width], None if bias is None else bias[:width])
    )  # (B, P, 1, heads, d)
    kv = parts(F.linear(normed, weight[width:], None if bias is None else bias[width:]))  # (B, N, 2, heads, d)
    (q,), (k, v) = (each.permute(2, 0, 3, 1, 4) for each in (q, kv))  # (B, heads, P or N, d)
    read = read + block.drop_path1(block.ls1(mixed(attn, attn.q_norm(q), attn.k_norm(k), v, None)))
    return read + block.drop_path2(block.ls2(block.mlp(block.norm2(read))))
