"""A timm ViT, opened: embed the patches, then encode any subset of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Grid
from .anatomy import Anatomy, anatomy
from .create import create
from .encoders import PASSES, Pass
from .positions import sincos

REGISTER_STD = 0.02  # timm's 1e-6 leaves registers copies of each other


class Encoder(nn.Module):
    """A timm model that encodes all patches of a picture or only some of them.

    `grid`, `width` (channels per token), `prefix` (class and register tokens in front), `mean` and `std` are read off the
    model, as is the rest of its `anatomy`. With every patch kept, `encoder(encoder.embed(images))` is the model's own
    `forward_features(images)`, and a pass over some patches is the pass over all with the others masked out as keys. This holds
    for every ViT with global attention (ViT, DeiT, BEiT, EVA-02, DINOv2 and v3, SigLIP, CLIP, NaFlex, ConViT …) and for Hiera,
    whose patches here are its mask units.

    Swin, ResNet and ConvNeXt encode all patches or none (`whole` says why): patches are those of the last stage, hidden ones
    are replaced by a mask token. The rows of `embed`, of `content_width` numbers, are then what a patch holds at the first
    stage (Swin) or its pixels (Hiera and conv nets), and tokens come as (B, N, width), whatever the shape of
    `forward_features`.
    """

    def __init__(self, vit: nn.Module, *, size: tuple[int, int] | None = None):
        """size: (height, width) of the pictures, for a model that takes several. TypeError for a family that cannot be read."""
        super().__init__()
        self.anatomy: Anatomy = anatomy(vit, size=size)
        self.through: Pass = next(made for classes, made in PASSES if isinstance(vit, classes))(self.anatomy)
        self.vit: Any = vit
        self.grid: Grid = self.anatomy.grid
        self.width: int = self.anatomy.width
        self.prefix: int = self.anatomy.prefix
        self.mean, self.std = self.anatomy.mean, self.anatomy.std
        self.content_width: int = self.through.row(vit)

    @property
    def whole(self) -> str | None:
        """Why patches cannot be left out; None where they can."""
        return self.through.whole

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """(B, 3, height, width) normalized → (B, N, content_width): what every patch holds, before positions."""
        covered, size = (self.grid.height, self.grid.width), self.anatomy.size
        if images.ndim != 4 or images.shape[1] != 3 or tuple(images.shape[2:]) not in (covered, size):
            want = ", ".join(map(str, (3, *covered)))
            raise ValueError(f"pictures have shape {tuple(images.shape)}, but this model wants (B, {want})")
        if tuple(images.shape[2:]) != size:  # pixels that no patch covers, which timm wants all the same
            images = F.pad(images, (0, size[1] - covered[1], 0, size[0] - covered[0]))
        return self.through.embed(self.vit, images)

    def forward(
        self, content: Float[Tensor, "B K D"], ids: Int[Tensor, "B K"] | None = None
    ) -> Float[Tensor, "B {self.prefix}+K W"]:
        """content (B, K, content_width) of the patches `ids` (B, K), or of all N in order → tokens (B, prefix + K, width).

        Raises ValueError where the model cannot do without the patches that are left out.
        """
        return self.through.encode(self.vit, content, ids)


def encoder(
    name: str, *, positions: Literal["learned", "sincos"] = "learned", pretrained: bool = False, **keywords
) -> Encoder:
    """A timm model as an `Encoder`, with timm's own keywords: `encoder("vit_tiny_patch16_224", img_size=64, patch_size=8)`.

    positions: "sincos" replaces the table of positions by fixed sines and cosines, as MAE pre-trains. New registers start 0.02
    apart: timm's 1e-6 leaves them copies of each other through a short training.
    Raises ValueError for a name timm does not know or pictures that patches do not divide, TypeError for a family that mimviz
    cannot read, with the reason.
    """
    vit = create(name, pretrained=pretrained, **{"num_classes": 0, **keywords})
    made = Encoder(vit)
    if {"img_size", "patch_size"} & set(keywords):
        Grid.of(*made.anatomy.size, made.grid.patch)  # asked for by hand, so nothing of it may be cut off in silence
    registers = getattr(vit, "reg_token", None)
    if registers is not None and not pretrained:
        nn.init.normal_(registers, std=REGISTER_STD)
    if positions == "sincos":
        _fix_positions(made)
    elif positions != "learned":
        raise ValueError(f"positions is {positions!r}, but 'learned' or 'sincos' is wanted")
    return made


def with_parts(encoder: Encoder, **parts: nn.Module) -> Encoder:
    """A copy of an encoder in which modules of its model are others: `with_parts(encoder, blocks=…)`."""
    vit = deepcopy(encoder.vit)
    for name, part in parts.items():
        setattr(vit, name, part)
    return Encoder(vit, size=encoder.anatomy.size)


def _fix_positions(made: Encoder) -> None:
    table: Any = getattr(made.vit, "pos_embed", None)
    if table is None or table.ndim != 3 or table.shape[1] < made.grid.count:
        raise ValueError(
            f"positions is 'sincos', but this {made.anatomy.family} has no table of positions to replace (it knows them by: "
            f"{made.anatomy.positions})"
        )
    with torch.no_grad():
        table.copy_(sincos(made.grid, made.width, prefix=table.shape[1] - made.grid.count))
    table.requires_grad_(False)
