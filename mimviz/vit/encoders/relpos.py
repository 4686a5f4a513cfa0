"""timm's ViTs with relative positions alone: a bias between two patches, from a table or a small network of their offset."""

from __future__ import annotations

from typing import Any

from timm.models.vision_transformer_relpos import ResPostRelPosBlock
from torch import Tensor

from .passes import Pass, in_front, mixed, pairs


class RelPosPass(Pass):
    """The bias between the tokens that are kept is cut out of that of all."""

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        return vit.patch_embed(images)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        x = in_front([vit.cls_token] if vit.cls_token is not None else [], content)
        shared = None if vit.shared_rel_pos is None else vit.shared_rel_pos.get_bias()  # (1, heads, M, M)
        for block in vit.blocks:
            x = block(x, shared_rel_pos=shared) if ids is None else self._block(block, x, shared, ids)
        return vit.norm(x)

    def _block(self, block: Any, x: Tensor, shared: Tensor | None, ids: Tensor) -> Tensor:
        if isinstance(block, ResPostRelPosBlock):
            x = x + block.drop_path1(block.norm1(self._attention(block.attn, x, shared, ids)))
            return x + block.drop_path2(block.norm2(block.mlp(x)))
        x = x + block.drop_path1(block.ls1(self._attention(block.attn, block.norm1(x), shared, ids)))
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))

    def _attention(self, attn: Any, x: Tensor, shared: Tensor | None, ids: Tensor) -> Tensor:
        """The module's own attention, with the bias of the tokens in `x` (B, prefix + K, C)."""
        B, M, _ = x.shape
        every = shared if attn.rel_pos is None else attn.rel_pos.get_bias()
        q, k, v = attn.qkv(x).reshape(B, M, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        bias = None if every is None else pairs(every[0], ids, self.anatomy.prefix)  # (B, heads, M, M)
        return mixed(attn, attn.q_norm(q), attn.k_norm(k), v, bias)
