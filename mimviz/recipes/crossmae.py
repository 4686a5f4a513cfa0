"""Rethinking Patch Dependence for Masked Autoencoders. Fu, Lian, Wang, Shi and others. TMLR 2025. arXiv 2401.14391.

MAE whose decoder has no self-attention: each hidden patch reads the visible ones by cross-attention, for itself, so that any part
of what is hidden can be decoded alone. In training that is a third of it, a quarter of all patches; and every decoder block reads
its own learned mixture of encoder layers, the embedded patches among them (`model.decoder.mixing`). Decoder, mixture, how both
begin and the loss are read beside the authors' code (TonyLianLong/CrossMAE, models_cross.py with --weight_fm --use_input); a slow
twin is in tests/recipes/test_crossmae.py. Pre-train with fixed positions: encoder(..., positions="sincos").
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.blockwise import blockwise
from ..grammar.decoders import Queries
from ..grammar.how import Drop
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest, Some
from ..vit import Encoder, evaluating


class CrossMAE(MaskedModel):
    """In training only the patches to be predicted are decoded; else all, each as if it were alone."""

    decoder: Queries

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if not self.training:
            return super().forward(images, mask)
        mask = self._mask(images, mask)
        ids = mask.predict_ids
        guess, truth = self.decoder.some(self.memory(images, mask), ids), self.target(images, mask)
        truth = truth.gather(1, ids[..., None].expand_as(guess))
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), ids, self._view(images, mask, "visible"))

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        return self.decoder(self.memory(images, mask), mask)

    def memory(self, images: Tensor, mask: Mask) -> list[Tensor]:
        """What the decoder reads: tokens (B, prefix + K, width) going into the first block and behind each, or behind the norm."""
        if not hasattr(self.decoder, "weights"):
            return [self.encode(images, mask)]
        return blockwise(self, images, mask, range(-1, len(self.encoder.anatomy.blocks)))

    @torch.no_grad()
    def attention(self, images: Tensor, mask: Mask, ids: Tensor | None = None) -> list[Tensor]:
        """For every block of the decoder (B, heads, M, K): how much each patch of `ids` (B, M), all hidden ones unless told, reads
        of each visible patch, `mask.keep_ids`. Rows sum to 1 less what prefix tokens get."""
        with evaluating(self):
            mask = self._mask(images, mask)
            found = self.decoder.attention(self.memory(images, mask), mask.hidden_ids if ids is None else ids)
        return [each[..., self.encoder.prefix :] for each in found]


def crossmae(
    encoder: Encoder, *, ratio=0.75, predict=0.25, mixing=True, among=False, normalize=True, dim=512, depth=12, heads=None
) -> CrossMAE:  # fmt: skip
    """predict: share of all patches that is decoded in training. mixing: of encoder layers; else the last one's norm is read.

    among: self-attention of the hidden patches, which the paper takes away. dim, depth, heads: of the decoder.
    """
    target, layers = Pixels(encoder.grid, normalize=normalize), len(encoder.anatomy.blocks) + 1
    decoder = Queries(
        encoder.width, target.width, encoder.grid, layers=layers if mixing else 1, dim=dim, depth=depth, heads=heads, among=among
    )  # fmt: skip
    where = Some(Highest(ratio), min(predict, ratio))
    return CrossMAE(encoder, where=where, how=Drop(), target=target, decoder=decoder, loss=squared, name="crossmae")
