"""DropPos: Pre-Training Vision Transformers by Reconstructing Dropped Positions. Wang et al. NeurIPS 2023. arXiv 2309.03576.

Not what is hidden but where the visible lies: three quarters of the patches are dropped, of the rest three quarters have a learned
token for a position, and the model says from which of N places each comes. Near places count in part, ever less of it (a bell whose
σ falls from 1 to 0), and patches that resemble the class token, as the model itself sees the whole picture, count more (softmax of
the cosine / 0.1). Read beside Haochen-Wang409/DropPos, which a naive twin in the tests follows; there σ falls by epochs, here by
steps. Its positions are fixed: encoder(..., positions="sincos").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome, seeded
from ..grammar.decoders import Unplaced
from ..grammar.how import Drop
from ..grammar.losses import cross_entropy
from ..grammar.placing import Placing, places, without_places
from ..grammar.targets import Positions
from ..grammar.where import Further, Highest
from ..vit import Encoder


class DropPos(Placing):
    """A mask predicts the visible patches that lose their position; of one that predicts none of them a share `dropped` does.
    Rows of the outcome are the visible patches. `temperature`: of the weights, 0 weighs all alike. `sigma`: of the bell, now."""

    token: nn.Parameter
    updates: Tensor
    dropped, temperature, steps = 0.75, 0.1, 1000

    @property
    def sigma(self) -> float:
        return self.target.sigma * max(1 - int(self.updates) / max(self.steps, 1), 0)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        if not (mask.predict & ~mask.hidden).any():
            mask = Further(ratio=self.dropped, alone=True).of(mask, None if self.training else seeded(0))
        guess, where = self.decoder(self.encode(images, mask), mask), mask.keep_ids
        truth = Positions(self.grid, self.sigma).table().to(guess.device)[where]  # (B, K, N)
        loss = self.loss(guess, truth).mean(-1)
        if self.temperature:
            asked, weights = mask.predict.gather(1, where), self.weights(images, where)
            loss = loss * weights * (asked.sum() / (weights * asked).sum())  # so that their mean is the weighted mean
        return Outcome(mask, guess, truth, loss, where)

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        content, ids = self.how(self.encoder.embed(images), mask)
        return without_places(self.encoder, content, ids, mask.predict & ~mask.hidden, self.token)

    @torch.no_grad()
    def weights(self, images: Tensor, ids: Tensor) -> Tensor:
        """(B, K): how much each of these patches of the whole picture resembles the class token; rows sum to 1."""
        tokens = self.encoder(self.encoder.embed(images)).float()
        alike = nn.functional.cosine_similarity(tokens[:, :1], tokens[:, self.encoder.prefix :], dim=-1)
        return (alike.gather(1, ids) / self.temperature).softmax(-1)

    def after_step(self) -> None:
        self.updates += 1


def droppos(
    encoder: Encoder, *, ratio=0.75, dropped=0.75, sigma=1.0, steps=1000, temperature=0.1, dim=512, depth=2, heads=None
) -> DropPos:
    """dropped: share of the visible patches. sigma: of the bell at first, 0 after `steps`. dim, depth, heads: of the decoder.
    Raises TypeError for an encoder whose positions are no table, or that has no class token for the weights."""
    places(encoder)
    if temperature and not encoder.anatomy.class_tokens:
        raise TypeError("this encoder has no class token, which the weights compare patches with: give temperature=0")
    width, grid, size = encoder.width, encoder.grid, {"dim": dim, "depth": depth, "heads": heads}
    words = {"how": Drop(), "target": Positions(grid, sigma), "loss": cross_entropy}
    words["decoder"] = Unplaced(width, grid.count, grid, prefix=encoder.prefix, **size)
    model = DropPos(encoder, where=Highest(ratio), **words, name="droppos")
    model.dropped, model.temperature, model.steps = dropped, temperature, steps
    model.token = nn.Parameter(torch.empty(1, 1, width).normal_(std=0.02))
    model.register_buffer("updates", torch.zeros((), dtype=torch.long))
    return model
