"""Centroid-centered Modeling for Efficient Vision Transformer Pre-training. Yan, Li, Zhang. ECCV 2024. arXiv 2303.04664.

k-means of patches is a tokenizer that nobody has to train: a centroid is a word and a little picture at once. So a patch can be
hidden behind a mask token or be shown as its centroid, and the model says which centroid belongs there (cross-entropy, after the
encoder) and what it really looked like (normalized pixels, squared error, after a second stack of two blocks fed with the class
token and the patches of the fourth block from the end). Read beside the authors' code (Cakeyan/CCViT_Public): blocks hide 75 of 196
patches, 20 others are shown as centroids, both losses look at both kinds and count alike. There k-means is of 50 000 pictures with
8192 words, in colours 0..1; here of the bundled ones and in the encoder's normalization. A naive twin is in the tests.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar.aggregated import Aggregated
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import cross_entropy, squared
from ..grammar.targets import Codes, Pixels
from ..grammar.where import Blocks, Further
from ..vit import Encoder


class CCViT(Aggregated):
    """What a mask predicts but does not hide is shown as its centroid. `weight`: of the pixels' term; 0: no second stack."""

    pixels: nn.Sequential
    appearance: Pixels
    weight: float = 1.0

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        if not self.weight:
            return self.compare(self.predict(images, mask), images, mask)
        seen, again = self.both(images, mask)
        wrong = squared(self.pixels(again)[:, self.encoder.prefix :], self.appearance(images, mask)).mean(-1)
        terms = {"pixels": self.weight * wrong[mask.predict].mean()} if mask.predict.any() else {}
        return self.compare(self.decoder(seen, mask), images, mask, **terms)

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        return super().encode(self.shown(images, mask), mask)

    def shown(self, images: Tensor, mask: Mask) -> Tensor:
        """(B, 3, height, width): the pictures with centroids in; hidden patches are still there, the mask token comes later."""
        replaced = mask.predict & ~mask.hidden
        if not replaced.any():
            return images
        words = self.target.words(self.target(images)).to(images.dtype)
        return self.grid.unpatchify(torch.where(replaced[..., None], words, self.grid.patchify(images)))

    def painted(self, images: Tensor, mask: Mask) -> Tensor:
        """(B, N, patch² · 3): the second stack's guess of normalized pixels."""
        return self.pixels(self.both(images, self._mask(images, mask))[1])[:, self.encoder.prefix :]


def ccvit(
    encoder: Encoder, *, codes: Any = None, count=64, ratio=0.4, replaced=0.165, weight=1.0, layer=None, depth=2
) -> CCViT:
    """codes: a `grammar.targets.Codes` of one's own, else k-means with `count` words. layer, depth: of the second stack.

    replaced: share of the visible patches that are shown as centroids.

    Raises TypeError for an encoder without a class token.
    """
    codes = codes or Codes.by_kmeans(encoder.grid, mean=encoder.mean, std=encoder.std, count=count)
    model = CCViT(
        encoder, where=Further(Blocks.on(encoder.grid, ratio), replaced), how=MaskToken(encoder.content_width), target=codes,
        decoder=Linear(encoder.width, codes.count, prefix=encoder.prefix), loss=cross_entropy, name="ccvit",
    )  # fmt: skip
    model.stack(layer=layer, depth=depth)
    model.appearance, model.weight = Pixels(encoder.grid), weight
    model.pixels = nn.Sequential(
        nn.LayerNorm(encoder.width, eps=1e-6), nn.Linear(encoder.width, model.appearance.width)
    )
    return model
