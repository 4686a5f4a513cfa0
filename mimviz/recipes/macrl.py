"""Masked Contrastive Representation Learning. Yao, Desai, Palaniswami. arXiv 2022. arXiv 2211.06012.

Two masked autoencoders in one: a picture is seen twice, by one branch under strong augmentation with many patches hidden, by the
other under a weak one with fewer; both reconstruct their view (L1), and what the encoder makes of the two is to be told from that
of other pictures (NT-Xent over a projector). There is no public code, and of the paper only the abstract and summaries could be
read: the two ratios, the projector and τ are this library's, both branches share their weights, and the paper's memory bank is
left out, so that negatives are the other pictures of the batch. contrast=0 is MAE with L1 twice, pixels=0 SimCLR's loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Mask, Outcome, seeded
from ..grammar import MaskedModel
from ..grammar.contrast import nt_xent
from ..grammar.losses import absolute
from ..grammar.views import Views
from ..grammar.where import Highest
from ..vit import Encoder, evaluating
from .mae import mae

STRONG, WEAK = Views((0.2, 1.0), jitter=0.5), Views((0.6, 1.0), jitter=0.0, grey=0.0)


class MACRL(MaskedModel):
    """The outcome is that of the strong branch. Views are drawn in training; outside it, or under a mask that is given, both
    branches see the picture as it is, and `weak` repeats itself."""

    weak: Callable[..., Mask]
    projector: nn.Module
    contrast, pixels, views, tau = 1.0, 1.0, True, 0.2

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        drawn = self.views and self.training and mask is None
        first, second = (STRONG(images), WEAK(images)) if drawn else (images, images)
        one = self._mask(first, mask)
        two = self.weak(second, self.grid, None if self.training else seeded(0))
        seen = [self.encode(view, hidden) for view, hidden in ((first, one), (second, two))]
        outcome = self.compare(self.decoder(seen[0], one), first, one)
        other: Any = self.compare(self.decoder(seen[1], two), second, two).loss
        terms = {"weak view": self.pixels * other} if self.pixels else {}
        if self.contrast:
            terms["contrast"] = self.contrast * nt_xent(*(self.features(each) for each in seen), tau=self.tau)
        patch_loss = outcome.patch_loss if self.pixels == 1 else self.pixels * outcome.patch_loss
        return replace(outcome, patch_loss=patch_loss, terms={**outcome.terms, **terms})

    def features(self, tokens: Tensor) -> Tensor:
        """(B, out): what is compared, from tokens (B, prefix + K, width): the projected mean of the visible patches."""
        return self.projector(tokens[:, self.encoder.prefix :].mean(1))

    @torch.no_grad()
    def similarity(self, images: Tensor, mask: Mask | None = None) -> Tensor:
        """(B, B): cosines between each picture under the strong branch's mask and each under the weak one's."""
        with evaluating(self):
            masks = self._mask(images, mask), self.weak(images, self.grid, seeded(0))
            one, two = (F.normalize(self.features(self.encode(images, each)), dim=-1) for each in masks)
        return one @ two.T


def macrl(
    encoder: Encoder, *, ratio=0.75, weak=0.5, contrast=1.0, pixels=1.0, views=True, tau=0.2, out=128, normalize=True, dim=512,
    depth=8, heads=None,
) -> MACRL:  # fmt: skip
    """ratio, weak: hidden in either branch. contrast, pixels: weights. views: other crops and colours in training. out: of
    the projector. The rest is MAE's."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    model = MACRL(encoder, **{**base.words, "loss": absolute}, name="macrl")
    model.weak = Highest(weak)
    model.projector = nn.Sequential(nn.Linear(encoder.width, dim), nn.ReLU(), nn.Linear(dim, out))
    model.contrast, model.pixels, model.views, model.tau = contrast, pixels, views, tau
    return model
