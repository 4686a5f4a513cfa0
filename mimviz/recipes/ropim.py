"""Pre-training with Random Orthogonal Projection Image Modeling. Haghighat et al. ICLR 2024. arXiv 2310.18737.

Nothing is hidden whole: the tokens of all patches are projected onto a random subspace, and the loss is measured in the complement,
where information was lost: |(I − P)(guess − truth)|. Read beside csiro-robotics/ROPIM: count sketches of rank 0.14 or 0.25 of
the patches, a linear layer to pixels; there P is scaled as if buckets were equally full, here each bucket by its own number,
so that P² = P for any grid. A mask from outside is the projection onto the visible patches.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import Linear
from ..grammar.how import Project
from ..grammar.how.project import sketch
from ..grammar.losses import absolute
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder


class ROPIM(MaskedModel):
    """Without a mask each picture draws its projection; its outcome says that every patch is hidden, for each is in part."""

    ratios: tuple[float, float] = (0.14, 0.25)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if mask is not None:
            return super().forward(images, mask)
        return self.project(images, self.drawn(len(images)).to(images))

    def drawn(self, batch: int) -> Tensor:
        """(B, N, N): a projection for each picture, of one of the two ranks."""
        ranks = [self.ratios[int(torch.randint(2, ()))] for _ in range(batch)]
        return torch.cat([sketch(1, self.grid.count, ratio=rank) for rank in ranks])

    def project(self, images: Tensor, matrix: Tensor) -> Outcome:
        """The outcome under these projections (B, N, N)."""
        mask = Mask.all(self.grid).to(images.device).expand(len(images))
        seen = self.encoder(*self.how(self.encoder.embed(images), mask, matrix))
        outcome = self.compare(self.decoder(seen, mask), images, mask)
        lost = outcome.guess - outcome.truth
        lost = lost - matrix.to(lost) @ lost
        return replace(outcome, patch_loss=lost.abs().mean(-1))


def ropim(encoder: Encoder, *, ratios=(0.14, 0.25)) -> ROPIM:
    """ratios: the two ranks, as shares of the patches, one of which each picture draws."""
    target = Pixels(encoder.grid, normalize=False)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    where = Highest(1 - max(ratios))  # for menus that want a mask of about as much
    model = ROPIM(encoder, where=where, how=Project(), target=target, decoder=decoder, loss=absolute, name="ropim")
    model.ratios = tuple(ratios)
    return model
