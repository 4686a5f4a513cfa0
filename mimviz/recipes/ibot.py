"""iBOT: Image BERT Pre-Training with Online Tokenizer. Zhou, Wei, Wang, Shen, Xie, Yuille, Kong. ICLR 2022. arXiv 2111.07832.

The tokenizer is learnt along: hidden patches get the prototypes that a slow copy of the student gives to the whole picture, the
class token of one view gets those that the copy gives that of another. One head serves both. Its patches' loss is lightly's
IBOTPatchLoss; all of it that of the authors' code (bytedance/ibot, main_ibot.py) by a naive twin (tests/recipes/test_ibot.py): both
views masked, each picture's mean counts the same, temperatures 0.1, 0.04 and for patches 0.04 → 0.07, centres of momentum 0.9,
teacher 0.996 → 1, blocks of 10–50 % in every second picture. One view is the picture as given, the other a part of it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core import Mask, Outcome, seeded
from ..grammar import EMA, MaskedModel
from ..grammar.cut import cut
from ..grammar.decoders import Prototypes
from ..grammar.how import MaskToken
from ..grammar.losses import cross_entropy
from ..grammar.targets import Assignments
from ..grammar.where import Blocks, Sometimes
from ..vit import Encoder


class IBOT(MaskedModel):
    """`masked`, `distilled`: weights of the patches' and the class tokens' losses. `scale`: how much of a picture a part is."""

    masked, distilled, scale = 1.0, 1.0, (0.14, 1.0)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        """A mask from outside is that of the picture as given; the other view's is drawn."""
        mask = self._mask(images, mask)
        if not self.distilled:
            return self._masked(self.predict(images, mask), self.target(images, mask), mask)
        other = self.view(images)
        masks = mask, self.where(other, self.grid, None if self.training else seeded(0)).expand(len(other))
        whole, truth = (each.chunk(2) for each in self.target.both(torch.cat([images, other])))
        seen = self.encode(images, mask), self.encode(other, masks[1])
        mine, yours = (self._masked(self.decoder(seen[v], masks[v]), truth[v], masks[v]) for v in (0, 1))
        said = [self.decoder.scores(seen[v][:, :1]) / self.decoder.temperature for v in (0, 1)]  # type: ignore[operator]
        crossed = sum(cross_entropy(said[v], whole[1 - v][:, None]).mean() for v in (0, 1))
        terms = {"class": self.distilled * crossed / 2, "other view": yours.patch_loss[masks[1].predict].mean() / 2}
        return replace(mine, patch_loss=mine.patch_loss / 2, terms=terms)

    def view(self, images: Tensor) -> Tensor:
        """The other view: `scale` of each picture's area, enlarged, half of them mirrored; always the same outside training."""
        return cut(images, 1, self.scale, flip=True, generator=None if self.training else seeded(0))

    def after_step(self) -> None:
        self.teacher.update(self.encoder, self.decoder)  # type: ignore[union-attr]
        self.target.update()

    def _masked(self, guess: Tensor, truth: Tensor, mask: Mask) -> Outcome:
        """Each picture's mean counts the same, however much of it is hidden."""
        where = torch.arange(self.grid.count, device=guess.device).expand(len(guess), -1)
        counts = mask.predict.sum(1, keepdim=True)
        scale = self.masked * counts.sum() / (len(guess) * counts.clamp(min=1))
        return Outcome(mask, guess, truth, scale * self.loss(guess, truth).mean(-1), where)


def ibot(
    encoder: Encoder, *, ratio=0.3, spread=0.2, chance=0.5, masked=1.0, distilled=1.0, prototypes=1024, hidden=2048, dim=256,
    momentum=0.996, end=1.0, steps=1000, warmup=300, centre=0.9,
) -> IBOT:  # fmt: skip
    """prototypes: 8192 there. hidden, dim: of the head. momentum: to `end` in `steps`. TypeError without a class token."""
    if not encoder.anatomy.class_tokens:
        raise TypeError(f"this {encoder.anatomy.family} has no class token, whose prototypes iBOT distils")
    decoder = Prototypes(encoder.width, prototypes, prefix=encoder.prefix, hidden=hidden, dim=dim, depth=3)
    teacher = EMA(encoder, decoder, momentum=momentum, end=end, steps=steps, schedule="cosine")
    where = Sometimes(ratio, spread, chance, smallest=Blocks.on(encoder.grid, ratio).smallest)
    target = Assignments(teacher, prototypes, patches=0.07, warmup=warmup, momentum=centre)
    model = IBOT(
        encoder, where=where, how=MaskToken(encoder.content_width), target=target, decoder=decoder, loss=cross_entropy,
        teacher=teacher, name="ibot",
    )  # fmt: skip
    model.masked, model.distilled = masked, distilled
    return model
