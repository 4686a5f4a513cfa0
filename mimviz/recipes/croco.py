"""CroCo: Self-Supervised Pre-training for 3D Vision Tasks by Cross-View Completion. Weinzaepfel et al. NIPS 2022. arXiv 2210.10716.

Nine of ten patches of the first view are hidden, the second view of the same scene is whole; the decoder looks at it by
cross-attention, so that what is hidden can be known and not only guessed. Architecture, positions and loss are read beside the
authors' code (naver/croco: models/croco.py, blocks.py); a slow twin stands in the tests. Without a second view it is MAE's decoder.
The paper's encoder has no class token: encoder(..., class_token=False, global_pool="avg", positions="sincos").
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import Cross
from ..grammar.how import Drop
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder, evaluating


class CroCo(MaskedModel):
    """Pictures are (B, 6, height, width), the first view in front of the second, or (B, 3, …) beside `second`, or alone."""

    decoder: Cross
    _second: Tensor | None = None

    @property
    def second(self) -> Tensor | None:
        """(1, 3, height, width), normalized: what stands beside pictures that come alone. Set it to a picture, or to None."""
        return self._second

    @second.setter
    def second(self, picture) -> None:
        self._second = None if picture is None else self.prepare(picture)

    def forward(self, images: Float[Tensor, "B C H W"], mask: Mask | None = None) -> Outcome:
        first, other = self._views(images)
        mask = self._mask(first, mask)
        return self.compare(self.decoder(self.encode(first, mask), mask, other), first, mask)

    @torch.no_grad()
    def looks(self, images: Float[Tensor, "B C H W"], mask: Mask) -> list[Tensor]:
        """For every block of the decoder (B, heads, N, N): which patches of the second view each patch of the first looks at."""
        with evaluating(self):
            first, other = self._views(images)
            if other is None:
                raise ValueError(
                    "there is no second view to look at: give pictures (B, 6, height, width), or set `second`"
                )
            mask = self._mask(first, mask)
            return self.decoder.looks(self.encode(first, mask), mask, other)

    def _views(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The first view, and what the encoder makes of the second."""
        second = images[:, 3:] if images.shape[1] == 6 else self._second
        if second is None:
            return images, None
        whole = second.to(images).expand(len(images), -1, -1, -1)
        return images[:, :3], self.encoder(self.encoder.embed(whole))


def croco(encoder: Encoder, *, ratio=0.9, normalize=True, dim=512, depth=8, heads=None) -> CroCo:
    """dim, depth, heads: of the decoder. normalize: predict each patch minus its mean, over its spread."""
    target = Pixels(encoder.grid, normalize=normalize)
    decoder = Cross(encoder.width, target.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads)
    return CroCo(encoder, where=Highest(ratio), how=Drop(), target=target, decoder=decoder, loss=squared, name="croco")
