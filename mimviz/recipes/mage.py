"""MAGE: MAsked Generative Encoder to Unify Representation Learning and Image Synthesis. Li et al. CVPR 2023. arXiv 2211.09117.

Pictures are codes, at the input and as what is to be guessed; the ratio varies from half to all, so that one model learns to see
(low) and to draw (high: `generate`). In training half of all patches are dropped, all of them hidden; other hidden ones enter as
a mask token. The paper's codes are a VQGAN's; here k-means of the bundled pictures stands in unless others are given. Read beside
the authors' code (LTH14/mage, models_mage.py): the decoder begins hidden patches with the class token and scores words by their
embeddings; label smoothing 0.1. Not here: dropout, the norm behind the embedding, and the contrastive variant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..core import Mask
from ..grammar import MaskedModel
from ..grammar.decoders import Coder
from ..grammar.how import MaskToken
from ..grammar.losses import SmoothedCrossEntropy
from ..grammar.targets import Codes
from ..grammar.unmasking import unmask
from ..grammar.where import Varying
from ..vit import Encoder, evaluating, with_parts
from ..vit.coded import Coded
from ..vit.encoders.passes import rows


class MAGE(MaskedModel):
    """`drop`: the share of patches that the encoder does without in training."""

    drop = 0.5

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        return self._encode(images, mask, self.dropping(mask))

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        """Scores (B, N, words); instead of images also codes (B, N)."""
        ids = self.dropping(mask)
        words = self.encoder.vit.patch_embed.words.weight.detach()
        return self.decoder(self._encode(images, mask, ids), mask, ids, words)

    def dropping(self, mask: Mask) -> Tensor | None:
        """Numbers (B, K) of the patches that are encoded: all visible and some hidden ones; None, all of them, outside training."""
        if not self.training:
            return None
        N = self.grid.count
        dropped = min(math.ceil(N * self.drop), int(mask.hidden.sum(1).min()))
        noise = torch.rand(mask.hidden.shape, device=mask.hidden.device).masked_fill(~mask.hidden, 2)
        return noise.argsort(1)[:, dropped:].sort(1).values

    def generate(
        self, images: Tensor, mask: Mask | None = None, *, steps=20, temperature=6.0, seed=0
    ) -> Iterator[tuple[Tensor, Mask]]:
        """Fills what `mask` hides of pictures, all of it unless told: yields codes (B, N) and what is still hidden after each step.

        `model.target.draw(codes[..., None])` shows them.
        """
        shape, whole = self.grid.shape, Mask.all(self.grid).to(images.device)
        mask = (whole if mask is None else self.grid.check(mask)).expand(len(images))

        def scores(codes: Tensor, hidden: Tensor) -> Tensor:
            with evaluating(self):
                return self.predict(codes, Mask(hidden, None, shape))  # type: ignore[arg-type]

        codes = self.target(images, mask)[..., 0]
        for filled, hidden in unmask(scores, codes, mask.hidden, steps=steps, temperature=temperature, seed=seed):
            yield filled, Mask(hidden, None, shape)  # type: ignore[arg-type]

    def _encode(self, images: Tensor, mask: Mask, ids: Tensor | None) -> Tensor:
        content, _ = self.how(self.encoder.vit.patch_embed(images), mask)
        return self.encoder(content if ids is None else rows(content, ids), ids)


def mage(
    encoder: Encoder, *, codes: Codes | None = None, count=64, dim=512, depth=8, heads=None, smoothing=0.1
) -> MAGE:
    """A model with an encoder of its own: that one's blocks and positions over embeddings of codes.

    codes: k-means of the bundled pictures with `count` words unless told. dim, depth, heads: of the decoder.
    Raises TypeError for an encoder that is no plain ViT, ValueError for one without a class token.
    """
    if encoder.anatomy.family != "VisionTransformer":
        raise TypeError(f"MAGE reads codes with a plain ViT, but this encoder is a {encoder.anatomy.family}")
    grid, width = encoder.grid, encoder.width
    codes = codes or Codes.by_kmeans(grid, mean=encoder.mean, std=encoder.std, count=count)
    own = with_parts(encoder, patch_embed=Coded(codes, width))
    decoder = Coder(width, codes.count, grid, prefix=own.prefix, dim=dim, depth=depth, heads=heads)
    return MAGE(
        own, where=Varying(), how=MaskToken(width), target=codes, decoder=decoder, loss=SmoothedCrossEntropy(smoothing),
        name="mage",
    )  # fmt: skip
