"""Sequences of many lengths in one pass of a plain ViT: one matrix for what works token by token, attention sequence by sequence.

What a judge asks is a picture with one patch left, with two, with three …: no two are of one length, so a batch holds one. Here the
tokens of all of them are the rows of one matrix for norms, projections and MLPs, and only attention, a twentieth of the work, is
done length by length. Three things are not done at all: a patch's query, key and value in the first block are the same in every
sequence, the last block works for those tokens that the head reads, and no token is there for a patch that is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from .encoder import Encoder
from .encoders.plain import PlainPass


def packs(vit: Any) -> bool:
    """Whether this is timm's own ViT, block by block, as it was built: no hook, edit, adapter or rule of another's inside."""
    if type(vit) is not VisionTransformer or not all(type(block) is Block for block in vit.blocks):
        return False
    blocks: Any = vit.blocks
    found = [block.attn for block in blocks]
    if not all(type(attn) is Attention and attn.gate is None and type(attn.qkv) is nn.Linear for attn in found):
        return False
    inside = (module for block in blocks for module in (block, block.attn, block.attn.qkv))
    return all(attn.fused_attn for attn in found) and not any(map(_changed, (vit, *inside)))


def _changed(module: Any) -> bool:
    """Hooked, or with a `forward` of its own."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


class Packing:
    """`Packing(encoder, content)`: content (B, N, width) of whole pictures, from which each sequence takes its tokens."""

    def __init__(self, encoder: Encoder, content: Tensor):
        self.vit: Any = encoder.vit
        self.prefix, through = encoder.prefix, encoder.through
        assert isinstance(through, PlainPass)
        whole = through.sequence(self.vit, content, None)  # (B, prefix + N, width), with positions
        self.length = whole.shape[1]
        self.rows = whole.flatten(0, 1)
        first = self.vit.blocks[0]
        self.first = first.attn.qkv(first.norm1(self.rows))  # (B · (prefix + N), 3 · width)

    def outputs(self, pictures: Tensor, keep: Tensor) -> Tensor:
        """pictures (M,): the picture of each sequence; keep (M, N) boolean, shortest first → the model's outputs (M, classes)."""
        lengths = keep.sum(1) + self.prefix
        there = torch.cat([keep.new_ones(len(keep), self.prefix), keep], dim=1)
        at = (pictures[:, None] * self.length + torch.arange(self.length, device=keep.device))[there]  # (T,)
        groups = list(_groups(lengths.tolist()))
        read = self._read(lengths)
        x, last = self.rows[at], len(self.vit.blocks) - 1
        for number, block in enumerate(self.vit.blocks):
            known = self.first[at] if number == 0 else None
            x = self._block(block, x, groups, known=known, read=read if number == last else None)
        x = self.vit.norm(x)
        if read is not None:
            return self.vit.forward_head(x[:, None])
        return torch.cat([self.vit.forward_head(x[s].unflatten(0, (-1, n))) for s, n in groups])

    def _read(self, lengths: Tensor) -> Tensor | None:
        """(M,): the rows of the class tokens, where the head reads nothing else."""
        vit = self.vit
        alone = vit.global_pool == "token" and vit.attn_pool is None and vit.cls_token is not None
        return lengths.cumsum(0) - lengths if alone else None

    def _block(self, block: Any, x: Tensor, groups: list, *, known: Tensor | None, read: Tensor | None) -> Tensor:
        """x (T, width) → the same, or (M, width) of the rows `read`; `known`: queries, keys and values, if they are."""
        attn = block.attn
        if known is not None or read is None:
            qkv = attn.qkv(block.norm1(x)) if known is None else known
            q, k, v = qkv.unflatten(1, (3, attn.num_heads, attn.head_dim)).unbind(1)  # (T, heads, d)
            q = q if read is None else q[read]
        else:
            q, k, v = _asking(attn, block.norm1(x), read)
        mixed = _attention(attn.q_norm(q), attn.k_norm(k), v, groups, alone=read is not None)
        x = x if read is None else x[read]
        x = x + block.ls1(attn.proj(attn.norm(mixed)))
        return x + block.ls2(block.mlp(block.norm2(x)))


def _groups(lengths: list[int]) -> Iterator[tuple[slice, int]]:
    """(rows, length) of neighbours of one length."""
    start = at = 0
    for i, length in enumerate(lengths):
        at += length
        if i + 1 == len(lengths) or lengths[i + 1] != length:
            yield slice(start, at), length
            start = at


def _asking(attn: Any, x: Tensor, read: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values of all rows, queries of those that are read."""
    weight, bias, wide = attn.qkv.weight, attn.qkv.bias, attn.num_heads * attn.head_dim
    first, rest = (None, None) if bias is None else (bias[:wide], bias[wide:])
    q = F.linear(x[read], weight[:wide], first).unflatten(1, (attn.num_heads, attn.head_dim))
    k, v = F.linear(x, weight[wide:], rest).unflatten(1, (2, attn.num_heads, attn.head_dim)).unbind(1)
    return q, k, v


def _attention(q: Tensor, k: Tensor, v: Tensor, groups: list[tuple[slice, int]], *, alone: bool) -> Tensor:
    """(T, heads, d) → (T, heads · d), each sequence by itself; `alone`: one query for each sequence."""
    out, done = [], 0
    for rows, length in groups:
        many = (rows.stop - rows.start) // length
        asked = slice(done, done + many) if alone else rows
        done += many
        query, key, value = (each.unflatten(0, (many, -1)).transpose(1, 2) for each in (q[asked], k[rows], v[rows]))
        out.append(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(0, 1))
    return torch.cat(out).flatten(1)
