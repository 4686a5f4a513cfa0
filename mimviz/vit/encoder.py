"""A timm ViT, opened: embed the patches, then encode any subset of them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

import timm
import torch
from jaxtyping import Float, Int
from timm.data.config import resolve_model_data_config
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ..core import Grid
from .positions import sincos


class Encoder(nn.Module):
    """A timm `VisionTransformer` that encodes all patches or only some of them.

    `grid`, `width` (channels per token), `prefix` (class and register tokens in front), `mean` and `std` are read off the model.
    With every patch kept, `encoder(encoder.embed(images))` is the model's own `forward_features(images)`.
    """

    def __init__(self, vit: nn.Module):
        super().__init__()
        if type(vit) is not VisionTransformer:
            raise TypeError(
                f"{type(vit).__name__} is not a plain timm VisionTransformer: other families place their tokens and positions "
                "in ways this version does not read. Choose e.g. 'vit_tiny_patch16_224'"
            )
        if vit.pos_embed is None or getattr(vit, "dynamic_img_size", False):
            raise ValueError(
                "this ViT has no fixed table of positions (dynamic_img_size, or none at all): create it with a fixed img_size"
            )
        patch, channels = vit.patch_embed.patch_size, vit.patch_embed.proj.in_channels
        if channels != 3:
            raise ValueError(f"this ViT takes pictures of {channels} channels, but 3 (R, G, B) are wanted")
        if patch[0] != patch[1]:
            raise ValueError(f"patches of this ViT are {patch[0]} x {patch[1]} pixels, but square ones are wanted")
        self.vit: Any = vit
        height, width = vit.patch_embed.img_size
        self.grid = Grid.of(height, width, patch[0])
        self.width: int = vit.embed_dim
        self.prefix: int = vit.num_prefix_tokens
        config = resolve_model_data_config(vit)
        self.mean: tuple[float, float, float] = tuple(config["mean"])
        self.std: tuple[float, float, float] = tuple(config["std"])

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """(B, 3, height, width) normalized → (B, N, width): patch embeddings, before positions."""
        want = (3, self.grid.height, self.grid.width)
        if images.ndim != 4 or tuple(images.shape[1:]) != want:
            raise ValueError(
                f"pictures have shape {tuple(images.shape)}, but this model wants (B, {', '.join(map(str, want))})"
            )
        return self.vit.patch_embed(images)

    def forward(
        self, content: Float[Tensor, "B K D"], ids: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B {self.prefix}+K D"]:
        """content (B, K, width) of the patches numbered `ids` (B, K), or of all N in order → tokens (B, prefix + K, width)."""
        x = self.vit.pos_drop(self._placed(content, ids))
        x = self.vit.blocks(self.vit.norm_pre(x))
        return self.vit.norm(x)

    def _placed(self, content: Tensor, ids: Tensor | None) -> Tensor:
        """Adds positions and the prefix tokens, as `VisionTransformer._pos_embed` does."""
        vit, B = self.vit, content.shape[0]
        positions = vit.pos_embed  # (1, N or prefix + N, width)
        shared = positions.shape[1] - self.grid.count
        patches = positions[:, shared:]
        if ids is not None:
            patches = patches.expand(B, -1, -1).gather(1, ids[..., None].expand(-1, -1, self.width))
        prefix = [t.expand(B, -1, -1) for t in (vit.cls_token, vit.reg_token) if t is not None]
        if not prefix:
            return content + patches
        front = torch.cat(prefix, dim=1)
        if shared:
            front = front + positions[:, :shared]
        return torch.cat([front, content + patches], dim=1)


def encoder(
    name: str, *, positions: Literal["learned", "sincos"] = "learned", pretrained: bool = False, **keywords
) -> Encoder:
    """A timm ViT by name as an `Encoder`, with timm's own keywords: `encoder("vit_tiny_patch16_224", img_size=64, patch_size=8)`.

    positions: "sincos" replaces the table of positions by fixed sines and cosines, as MAE pre-trains.
    Raises ValueError for a name timm does not know, TypeError for a model that is not a plain ViT.
    """
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(
            f"timm knows no model {name!r}" + (f"; did you mean one of {', '.join(close)}?" if close else "")
        )
    vit = timm.create_model(name, pretrained=pretrained, **{"num_classes": 0, **keywords})
    made = Encoder(vit)
    if positions == "sincos":
        table: Any = vit.pos_embed
        table.data.copy_(sincos(made.grid, made.width, prefix=table.shape[1] - made.grid.count))
        table.requires_grad_(False)
    elif positions != "learned":
        raise ValueError(f"positions is {positions!r}, but 'learned' or 'sincos' is wanted")
    return made
