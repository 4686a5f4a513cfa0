"""Architecture-Agnostic Masked Image Modeling -- From ViT back to CNN. Li et al. ICML 2023. arXiv 2205.13943.

SimMIM for any encoder: hidden pixels take the mean colour, a mask token is added (not put in the place of anything) where features
are still local, and the guess is compared in pixels and in frequencies, weighted by how far off each is. As in the authors' code
(Westlake-AI/openmixup) the token comes before the first block of a ViT and before the last stage of a conv net, and where patches
are visible the spectrum is taken of half the guess and half the picture, without a gradient. Two things differ: the mean colour is
of visible pixels, since that of all tells of hidden ones, and each picture has its own spectrum, not a batch the mean one. Verified
against a naive twin (tests/recipes/test_a2mim.py); the interactions that explain it are in `mimviz.vit.interactions`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..cnn import stages
from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import Linear
from ..grammar.fourier import focal_frequency
from ..grammar.how import Fill
from ..grammar.losses import absolute
from ..grammar.targets import Pixels
from ..grammar.where import Units
from ..vit import Encoder, adding


class A2MIM(MaskedModel):
    """`weight`: of the Fourier term. `before`: the module that gets the mask token; `finer`: how many of a conv net's cells there
    make the side of a patch, 0 for tokens of a ViT.
    """

    def __init__(self, encoder: Encoder, *, weight: float, before: str, width: int, finer: int, **words):
        super().__init__(encoder, **words)
        self.weight, self.before, self.finer = weight, before, finer
        self.token = nn.Parameter(nn.init.trunc_normal_(torch.empty(width), std=0.02))

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        filled = self.grid.unpatchify(self.how(self.grid.patchify(images), mask)[0])
        with adding(self.encoder.vit.get_submodule(self.before), self._tokens(mask)):
            return self.encoder(self.encoder.embed(filled))

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        guess = self.predict(images, mask)
        if not self.weight:
            return self.compare(guess, images, mask)
        picture = self.grid.unpatchify(guess)
        hidden = self.grid.unpatchify(mask.hidden[..., None].expand(-1, -1, self.grid.patch**2))
        mixed = torch.where(hidden, picture, (picture.detach() + images) / 2)
        return self.compare(guess, images, mask, fourier=self.weight * focal_frequency(mixed, images))

    def _tokens(self, mask: Mask) -> Tensor:
        if not self.finer:
            return nn.functional.pad(mask.hidden[..., None] * self.token, (0, 0, self.encoder.prefix, 0))
        cells = (
            mask.hidden.unflatten(1, self.grid.shape).repeat_interleave(self.finer, 1).repeat_interleave(self.finer, 2)
        )
        return cells[:, None] * self.token[:, None, None]  # (B, C, rows, cols)


def a2mim(encoder: Encoder, *, ratio=0.6, weight=0.5, layer: int | None = None) -> A2MIM:
    """weight: of the Fourier term, 0.5 in the paper (the authors' code takes 0.1 for ViTs). layer: the block of a ViT, or the stage
    of a conv net, before which the mask token is added; the first block or the last stage unless told.

    Raises TypeError for Swin and Hiera, whose tokens it cannot place, IndexError for a layer that there is not.
    """
    parts, grid = encoder.anatomy, encoder.grid
    if parts.reach == "windows":
        raise TypeError(
            f"A²MIM is for ViTs and conv nets here, but this encoder is a {parts.family}: take one of these"
        )
    if parts.reach == "global":
        before, width, finer = parts.blocks[layer or 0], encoder.width, 0
    else:
        found, at = stages(encoder.vit, grid.height, grid.width), len(parts.stages) - 1 if layer is None else layer
        if not 1 <= at < len(found.modules):
            raise IndexError(f"layer is {at}, but the mask token comes before stage 1..{len(found.modules) - 1}")
        before, width, finer = found.modules[at], found.widths[at - 1], grid.patch // found.grids[at - 1].patch
    target = Pixels(grid, normalize=False)
    return A2MIM(
        encoder, weight=weight, before=before, width=width, finer=finer, where=Units(ratio, max(32 // grid.patch, 1)),
        how=Fill("mean"), target=target, decoder=Linear(encoder.width, target.width, prefix=encoder.prefix), loss=absolute,
        name="a2mim",
    )  # fmt: skip
