"""ConvMAE: Masked Convolution Meets Masked Autoencoders. Gao, Ma, Li, Lin, Dai, Qiao. NeurIPS 2022. arXiv 2205.03892.

MAE with convolutions at a quarter and a half of the patch in front of the ViT's blocks; the mask is drawn on patches and enlarged
to both, and masked convolutions keep hidden pixels from visible cells. What both stages saw joins the tokens before the decoder.
The convolutions take the place of the ViT's patch embedding. A naive twin after Alpha-VL/ConvMAE, models_convmae.py, is equal
(tests/recipes/test_convmae.py); unlike there the ViT may have a class token.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..cnn import ConvStem
from ..core import Mask
from ..grammar import MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.how import Drop
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder, with_parts


class ConvMAE(MaskedModel):
    """`masked=False` makes the convolutions ordinary ones, through which hidden pixels leak."""

    def __init__(self, encoder: Encoder, *, widths: tuple[int, int], masked: bool = True, **words):
        super().__init__(encoder, **words)
        self.masked = masked
        self.fusion = nn.ModuleList(
            nn.Conv2d(width, encoder.width, cells, cells) for width, cells in zip(widths, (4, 2), strict=True)
        )

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        """Tokens of visible patches, before the early stages join."""
        return self.encoder(*self.how(self._staged(images, mask)[0], mask))

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        (content, maps), vit, prefix = self._staged(images, mask), self.encoder.vit, self.encoder.prefix
        content, ids = self.how(content, mask)
        through: Any = self.encoder.through
        x = vit.blocks(through.sequence(vit, content, ids))
        patches = x[:, prefix:]
        for join, early in zip(self.fusion, maps, strict=True):
            patches = patches + self.how(join(early).flatten(2).transpose(1, 2), mask)[0]
        return self.decoder(vit.norm(torch.cat([x[:, :prefix], patches], 1)), mask)

    def _staged(self, images: Tensor, mask: Mask) -> tuple[Tensor, list[Tensor]]:
        visible = ~mask.hidden.unflatten(1, self.grid.shape) if self.masked else None
        return self.encoder.vit.patch_embed.staged(images, visible)


def convmae(
    encoder: Encoder, *, ratio=0.75, normalize=True, masked=True, depths=(2, 2), dim=512, depth=8, heads=None
) -> ConvMAE:
    """A model with an encoder of its own: that one's blocks, behind stages of `depths` convolutions, a third and half as wide.

    dim, depth, heads: of the decoder. Raises TypeError for an encoder that is no plain ViT, ValueError for patches that are no
    multiple of 4 pixels.
    """
    if encoder.anatomy.family != "VisionTransformer":
        raise TypeError(
            f"ConvMAE puts convolutions in front of a plain ViT, but this encoder is a {encoder.anatomy.family}: take one of "
            "timm's vit_… models"
        )
    width, grid = encoder.width, encoder.grid
    widths = (width // 3, width // 2)
    own = with_parts(encoder, patch_embed=ConvStem(grid, width, widths=widths, depths=depths))
    target = Pixels(grid, normalize=normalize)
    decoder = Transformer(width, target.width, grid, prefix=own.prefix, dim=dim, depth=depth, heads=heads)
    return ConvMAE(
        own, widths=widths, masked=masked, where=Highest(ratio), how=Drop(), target=target, decoder=decoder, loss=squared,
        name="convmae",
    )  # fmt: skip
