"""ConViT: the first blocks weigh what a patch says against where it lies, gate by gate; the class token joins after them."""

from __future__ import annotations

from typing import Any

from timm.models.convit import GPSA
from torch import Tensor

from .passes import Pass, in_front, rows


class ConVitPass(Pass):
    """Gated positional self-attention gets the offsets between the patches that are kept."""

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        return vit.patch_embed(images)

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        x = vit.pos_drop(content + rows(vit.pos_embed, ids) if vit.use_pos_embed else content)
        offsets: Any = None
        for index, block in enumerate(vit.blocks):
            if index == vit.local_up_to_layer and vit.cls_token is not None:
                x = in_front([vit.cls_token], x)
            if ids is None or not isinstance(block.attn, GPSA):
                x = block(x)
                continue
            if offsets is None:
                gated: Any = block.attn
                every = gated.get_rel_indices(self.anatomy.grid.count)[0]  # (N, N, 3)
                offsets = every[ids[:, :, None], ids[:, None, :]]  # (B, K, K, 3)
            x = x + block.drop_path(_gated(block.attn, block.norm1(x), offsets))
            x = x + block.drop_path(block.mlp(block.norm2(x)))
        return vit.norm(x)


def _gated(attn: Any, x: Tensor, offsets: Tensor) -> Tensor:
    """d'Ascoli et al., ConViT, ICML 2021, equation 7."""
    B, K, _ = x.shape
    q, k = attn.qk(x).reshape(B, K, 2, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    v = attn.v(x).reshape(B, K, attn.num_heads, -1).transpose(1, 2)
    said = (q @ k.transpose(-2, -1) * attn.scale).softmax(-1)  # (B, heads, K, K)
    lies = attn.pos_proj(offsets).permute(0, 3, 1, 2).softmax(-1)
    gate = attn.gating_param.sigmoid().view(1, -1, 1, 1)
    weights = (1 - gate) * said + gate * lies
    mixed = attn.attn_drop(weights / weights.sum(-1, keepdim=True)) @ v
    return attn.proj_drop(attn.proj(mixed.transpose(1, 2).flatten(2)))
