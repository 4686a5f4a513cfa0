"""Masked Siamese Networks for Label-Efficient Learning. Assran, Caron, Misra, Bojanowski and others. ECCV 2022. arXiv 2204.07141.

No pixel is reconstructed: what the encoder makes of a picture with patches dropped is to choose the prototypes that its slow copy
chooses for another view of the whole one, more sharply; and that the chosen ones be many, the entropy of the mean choice is raised
(me-max). Losses, temperatures, the copy's head over shared prototypes and Sinkhorn are read beside the authors' code
(facebookresearch/msn, src/losses.py and msn_train.py); the loss is that of lightly's MSNLoss (tests/recipes/test_msn.py). Here the
head has no batch norms, the sharpening stays, and focal crops have the size of the picture, since the encoder is any ViT.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.contrast import mean_entropy
from ..grammar.decoders import Prototypes
from ..grammar.how import Drop
from ..grammar.losses import cross_entropy
from ..grammar.targets import Choices
from ..grammar.targets.choices import summary
from ..grammar.views import Views
from ..grammar.where import Highest
from ..vit import Encoder, evaluating


class MSN(MaskedModel):
    """A picture has one loss, which each patch carries. Views are drawn in training, unless a mask comes from outside."""

    entropy, focal = 1.0, 4
    views: Views | None = None

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        drawn = self.views if self.training and mask is None else None
        anchor, whole = (images, images) if drawn is None else (drawn(images), drawn(images))
        mask, small = self._mask(anchor, mask), Views((0.05, 0.3))
        crops = [self.encoder(self.encoder.embed(small(images))) for _ in range(self.focal if drawn else 0)]
        scores = [self.scores(tokens) for tokens in (self.encode(anchor, mask), *crops)]
        truth = self.target(whole, mask)
        losses = [self.loss(each[:, None], truth[:, :1])[..., 0] / len(scores) for each in scores]  # (B, 1) each
        terms: dict[str, Any] = {"focal": sum(each.mean() for each in losses[1:])} if crops else {}
        if self.entropy:
            terms["me-max"] = self.entropy * (math.log(truth.shape[-1]) - mean_entropy(torch.cat(scores).softmax(-1)))
        where = torch.arange(self.grid.count, device=images.device).expand(len(images), -1)
        return Outcome(mask, scores[0][:, None].expand_as(truth), truth, losses[0].expand_as(where), where, None, terms)

    def scores(self, tokens: Tensor) -> Tensor:
        """(B, prototypes), over the temperature, from tokens (B, prefix + K, width)."""
        decoder: Any = self.decoder
        return decoder.scores(summary(tokens, self.encoder)) / decoder.temperature

    @torch.no_grad()
    def histograms(self, images: Tensor, mask: Mask) -> tuple[Tensor, Tensor]:
        """(B, prototypes) twice: which prototypes the masked picture chooses, and which the whole one."""
        with evaluating(self):
            return self.scores(self.encode(images, self._mask(images, mask))).softmax(-1), self.target.of(images)

    def after_step(self) -> None:
        teacher: Any = self.teacher
        teacher.update(self.encoder, self.decoder.layers)


def msn(
    encoder: Encoder, *, ratio=0.3, prototypes=1024, entropy=1.0, focal=4, views=True, equal=True, hidden=2048, dim=256,
    momentum=0.996, steps=1000,
) -> MSN:  # fmt: skip
    """ratio: 0.15 for ViT-S, 0.3 for B, 0.7 for L in the paper. entropy: weight of me-max. focal: small crops beside (10 there).

    views: other crops and colours in training. equal: Sinkhorn. hidden, dim: of the head. momentum: goes to 1 in `steps`.
    """
    decoder = Prototypes(encoder.width, prototypes, prefix=encoder.prefix, hidden=hidden, dim=dim, depth=3)
    teacher = EMA(encoder, decoder.layers, momentum=momentum, end=1.0, steps=steps)
    target, where = Choices(teacher, decoder, equal=equal), Highest(ratio)
    words: Any = {"where": where, "how": Drop(), "target": target, "decoder": decoder, "loss": cross_entropy}
    model = MSN(encoder, **words, teacher=teacher, name="msn")
    model.entropy, model.focal, model.views = entropy, focal, Views() if views else None
    return model
