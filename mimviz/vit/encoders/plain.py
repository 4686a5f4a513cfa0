"""timm's VisionTransformer and those built on it: ViT, DeiT (also distilled), CLIP, SigLIP, DINOv2, FlexiViT …"""

from __future__ import annotations

from typing import Any

from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor

from .passes import Pass, placed


class PlainPass(Pass):
    """Positions are added once; every block mixes whatever tokens there are."""

    def embed(self, vit: Any, images: Tensor) -> Tensor:
        x = vit.patch_embed(images)
        return x.flatten(1, 2) if x.ndim == 4 else x  # a model of dynamic sizes keeps rows and columns apart

    def encode(self, vit: Any, content: Tensor, ids: Tensor | None) -> Tensor:
        return vit.norm(vit.blocks(self.sequence(vit, content, ids)))

    def sequence(self, vit: Any, content: Tensor, ids: Tensor | None, positions: Tensor | None = None) -> Tensor:
        """What goes into the first block: (B, prefix + K, width). positions: (1 or B, …, width), in place of the model's own."""
        grid, names = self.anatomy.grid, ("cls_token", "dist_token", "reg_token")
        prefix = [token for name in names if (token := getattr(vit, name, None)) is not None]
        positions = table(vit, grid.shape) if positions is None else positions
        x = placed(content, ids, prefix, positions, grid.count)
        return vit.norm_pre(vit.pos_drop(x))


def table(vit: Any, shape: tuple[int, int]) -> Tensor | None:
    """The table of positions, for a dynamic model resampled to the grid in front of it."""
    positions = vit.pos_embed
    if positions is None or not getattr(vit, "dynamic_img_size", False):
        return positions
    shared = 0 if vit.no_embed_class else vit.num_prefix_tokens
    own = list(vit.patch_embed.grid_size)
    return resample_abs_pos_embed(positions, new_size=list(shape), old_size=own, num_prefix_tokens=shared)
