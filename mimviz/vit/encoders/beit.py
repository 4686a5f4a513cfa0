"""BEiT v1 and v2: a bias between every two tokens, by how far apart they lie, learned per layer or shared by all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .passes import Pass, mixed, pairs, placed


class BeitPass(Pass):
    """The bias between the tokens that are kept is cut out of the table of all."""

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        return vit.patch_embed(images)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        x = vit.pos_drop(placed(content, ids, [vit.cls_token], vit.pos_embed, self.anatomy.grid.count))
        shared = None if vit.rel_pos_bias is None else vit.rel_pos_bias()  # (heads, 1 + N, 1 + N)
        for block in vit.blocks:
            x = block(x, shared_rel_pos_bias=shared) if ids is None else _block(block, x, shared, ids)
        return vit.norm(x)


def _block(block: Any, x: Tensor, shared: Tensor | None, ids: Tensor) -> Tensor:
    first = 1.0 if block.gamma_1 is None else block.gamma_1
    second = 1.0 if block.gamma_2 is None else block.gamma_2
    x = x + block.drop_path1(first * _attention(block.attn, block.norm1(x), shared, ids))
    return x + block.drop_path2(second * block.mlp(block.norm2(x)))


def _attention(attn: Any, x: Tensor, shared: Tensor | None, ids: Tensor) -> Tensor:
    """The module's own attention, with the bias of the tokens in `x` (B, 1 + K, C)."""
    B, M, _ = x.shape
    own = None if attn.relative_position_bias_table is None else attn._get_rel_pos_bias()[0]  # (heads, 1 + N, 1 + N)
    summed = [bias for bias in (own, shared) if bias is not None]
    bias = pairs(torch.stack(summed).sum(0), ids, 1) if summed else None  # (B, heads, 1 + K, 1 + K)
    qkv = attn.qkv(x) if attn.q_bias is None else attn.qkv(x) + torch.cat([attn.q_bias, attn.k_bias, attn.v_bias])
    q, k, v = qkv.reshape(B, M, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    return mixed(attn, q, k, v, bias)
