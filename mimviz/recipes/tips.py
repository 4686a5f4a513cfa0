"""TIPS: Text-Image Pretraining with Spatial Awareness. Maninis et al. ICLR 2025. arXiv 2410.16512.

Its two terms without text. Masked: hidden patches of the student get the prototypes that its slow copy gives them in the whole
picture. Distilled: the class token of small crops gets the prototypes of the whole picture's. They join CLIP's loss, which is not
here, with weights of 2 and 1. Its training code is not public (google-deepmind/tips holds the models): heads, centres and
temperatures are those of iBOT, which it builds on; crops are resized to the size of the picture, since the encoder is any ViT. A
naive twin of both terms is in tests/recipes/test_tips.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..core import Mask, Outcome, seeded
from ..grammar import EMA, MaskedModel
from ..grammar.cut import cut
from ..grammar.decoders import Prototypes
from ..grammar.how import MaskToken
from ..grammar.losses import cross_entropy
from ..grammar.targets import Assignments
from ..grammar.where import Highest
from ..vit import Encoder


class TIPS(MaskedModel):
    masked, distilled, crops, scale = 2.0, 1.0, 4, (0.05, 0.4)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        whole, patches = self.target.both(images)
        terms = {"distilled": self.distilled * self._distillation(images, whole)} if self.distilled else {}
        guess = self.predict(images, mask)
        where = torch.arange(self.grid.count, device=images.device).expand(len(images), -1)
        patch_loss = self.masked * self.loss(guess, patches).mean(-1)
        return Outcome(mask, guess, patches, patch_loss, where, None, terms)

    def cut(self, images: Tensor) -> Tensor:
        """(crops · B, 3, height, width): `scale` of each picture's area, anywhere, enlarged; always the same outside training."""
        return cut(images, self.crops, self.scale, generator=None if self.training else seeded(0))

    def after_step(self) -> None:
        teacher: Any = self.teacher
        teacher.update(self.encoder, self.decoder)
        self.target.update()

    def _distillation(self, images: Tensor, whole: Tensor) -> Tensor:
        seen = self.encoder(self.encoder.embed(self.cut(images)))[:, :1]
        decoder: Any = self.decoder
        scores = decoder.scores(seen) / decoder.temperature  # (crops · B, 1, prototypes)
        return cross_entropy(scores, whole.repeat(self.crops, 1)[:, None]).mean()


def tips(
    encoder: Encoder,
    *,
    ratio=0.75,
    masked=2.0,
    distilled=1.0,
    crops=4,
    prototypes=1024,
    hidden=512,
    momentum=0.994,
    end=1.0,
    steps=1000,
) -> TIPS:
    """masked, distilled: weights of the terms. prototypes, hidden: of the head. momentum: of the teacher, goes to `end` in `steps`.

    Raises TypeError for an encoder without a class token.
    """
    if not encoder.anatomy.class_tokens:
        raise TypeError(f"this {encoder.anatomy.family} has no class token, whose prototypes TIPS distils")
    decoder = Prototypes(encoder.width, prototypes, prefix=encoder.prefix, hidden=hidden)
    teacher = EMA(encoder, decoder, momentum=momentum, end=end, steps=steps, schedule="cosine")
    model = TIPS(
        encoder, where=Highest(ratio), how=MaskToken(encoder.content_width), target=Assignments(teacher, prototypes),
        decoder=decoder, loss=cross_entropy, teacher=teacher, name="tips",
    )  # fmt: skip
    model.masked, model.distilled, model.crops = masked, distilled, crops
    return model
