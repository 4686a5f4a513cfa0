"""timm's Eva: EVA-02, DINOv3, Perception Encoder and ViTs with rotary positions: q and k are turned by where a patch lies."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .passes import Pass, placed
from .plain import table


class EvaPass(Pass):
    """The rotations of the patches that are kept are picked out of those of all."""

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        x = vit.patch_embed(images)
        return x.flatten(1, 2) if x.ndim == 4 else x

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        grid = self.anatomy.grid
        prefix = [token for token in (vit.cls_token, vit.reg_token) if token is not None]
        x = vit.norm_pre(vit.pos_drop(placed(content, ids, prefix, table(vit, grid.shape), grid.count)))
        for block, rope in zip(vit.blocks, rotations(vit, grid.shape, ids), strict=True):
            x = block(x, rope=rope)
        return vit.norm(x)


def rotations(vit: Any, shape: tuple[int, int], ids: Tensor | None) -> list[Tensor | None]:
    """For every block sines and cosines (N, d), of the patches kept (B, 1, K, d); with frequencies per head (…, heads, K, d)."""
    if vit.rope is None:
        return [None] * len(vit.blocks)
    own_size = not getattr(vit, "dynamic_img_size", True) and hasattr(
        vit.rope, "feat_shape"
    )  # kept, in the model's dtype
    every = (
        vit.rope.get_embed() if own_size else vit.rope.get_embed(shape=list(shape))
    )  # (N, d) or (depth, heads, N, d)
    by_block = [every] * len(vit.blocks) if every.ndim == 2 else list(every)
    if ids is None:
        return by_block
    return [rope[ids][:, None] if rope.ndim == 2 else rope[:, ids].transpose(0, 1) for rope in by_block]
