"""Selfie: Self-supervised Pretraining for Image Embedding. Trinh, Luong, Le. arXiv 2019. arXiv 1906.02940.

A jigsaw before MAE: what is visible becomes one vector u, and for every hole u plus the hole's place asks which of the hidden
patches belongs there, by cross-entropy over all of them. In the paper the first stages of a ResNet-50 turn each patch into a
vector, layers of attention pool those of the visible ones, and places are learned by row and column, as here. With a ViT its
embedding and two layers describe a patch by itself, and its blocks pool the visible ones, from the class token. What share is
hidden is this library's choice, a quarter. Written after the abstract and summaries of the paper, without public code by its
authors; a slow twin is in tests/recipes/test_selfie.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core import Grid, Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.how import Drop
from ..grammar.losses import cross_entropy
from ..grammar.targets import Tiles
from ..grammar.targets.choices import summary
from ..grammar.where import Highest
from ..vit import Encoder, evaluating


class Match(nn.Module):
    """match(u, tiles, ids): scores (B, M, M) of each tile (B, M, content) for each hole `ids` (B, M), asked with u (B, width)."""

    def __init__(self, width: int, content: int, grid: Grid, *, dim: int):
        super().__init__()
        self.ask = nn.Linear(width, dim)
        self.describe = nn.Sequential(nn.Linear(content, dim), nn.GELU(), nn.Linear(dim, dim))
        self.rows, self.cols = (nn.Parameter(torch.randn(n, dim)) for n in grid.shape)

    @property
    def places(self) -> Tensor:
        """(N, dim): that of the row plus that of the column."""
        return (self.rows[:, None] + self.cols[None]).flatten(0, 1)

    def forward(self, u: Tensor, tiles: Tensor, ids: Tensor) -> Tensor:
        queries = self.ask(u)[:, None] + self.places[ids]  # (B, M, dim)
        return queries @ self.describe(tiles).transpose(1, 2)


class Selfie(MaskedModel):
    """Rows of the outcome are the holes, `mask.hidden_ids`; the guess (B, M, M) scores each hidden patch for each of them."""

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        ids = mask.hidden_ids
        guess, truth = self.predict(images, mask), self.target(images, mask).gather(1, ids[..., None])
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), ids, self._view(images, mask, "visible"))

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        content, ids = self.encoder.embed(images), mask.hidden_ids
        u = summary(self.encoder(*self.how(content, mask)), self.encoder)
        return self.decoder(u, content.gather(1, ids[..., None].expand(-1, -1, content.shape[-1])), ids)

    @torch.no_grad()
    def matches(self, images: Tensor, mask: Mask) -> Tensor:
        """(B, M, M): chance that each hidden patch (column) belongs into each hole (row), in the order of `mask.hidden_ids`."""
        with evaluating(self):
            return self.predict(images, self._mask(images, mask)).softmax(-1)


def selfie(encoder: Encoder, *, ratio=0.25, dim=128) -> Selfie:
    """dim: of the vectors that are compared."""
    decoder = Match(encoder.width, encoder.content_width, encoder.grid, dim=dim)
    words = {"where": Highest(ratio), "how": Drop(), "target": Tiles(encoder.grid), "decoder": decoder}
    return Selfie(encoder, **words, loss=cross_entropy, name="selfie")
