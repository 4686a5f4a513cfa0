"""BEiT v2: Masked Image Modeling with Vector-Quantized Visual Tokenizers. Peng, Dong, Bao, Ye, Wei. arXiv 2022. arXiv 2208.06366.

BEiT whose words mean something: the tokenizer's codes must tell what a teacher sees (`grammar.targets.VQKD`). And the class token
must sum the picture up: a second stack of two blocks gets it from the last block but the patches from an earlier one, and names
the same codes through the same norm and the same layer, with equal weight. Read beside microsoft/unilm (beit2/modeling_pretrain.py,
engine_for_pretraining.py), which a naive twin follows (tests/recipes/test_beit_v2.py); the second stack has no relative positions
here. The paper's tokenizer learnt from CLIP on ImageNet; the stand-in is made in seconds of the bundled pictures, from `teacher`,
or from histograms of gradients, which know edges and no things.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import Frozen
from ..grammar.aggregated import Aggregated
from ..grammar.decoders import Linear
from ..grammar.how import MaskToken
from ..grammar.losses import cross_entropy
from ..grammar.targets import HOG, VQKD
from ..grammar.where import Blocks
from ..vit import Encoder


class BEiTv2(Aggregated):
    """`weight`: of the second stack's loss; 0 leaves it out."""

    weight: float = 1.0

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        if not self.weight or not mask.predict.any():
            return self.compare(self.predict(images, mask), images, mask)
        seen, again = self.both(images, mask)
        wrong = self.loss(self._named(again, mask), self.target(images, mask)).mean(-1)
        return self.compare(
            self.decoder(seen, mask), images, mask, aggregation=self.weight * wrong[mask.predict].mean()
        )

    def aggregated(self, images: Tensor, mask: Mask) -> Tensor:
        """Scores (B, N, words) from the class token and early patches alone."""
        return self._named(self.both(images, self._mask(images, mask))[1], mask)

    def _named(self, again: Tensor, mask: Mask) -> Tensor:
        return self.decoder(self.encoder.vit.norm(again), mask)


def beit_v2(
    encoder: Encoder, *, codes: Any = None, teacher: nn.Module | None = None, count=64, steps=80, ratio=0.4, weight=1.0, layer=None,
    depth=2,
) -> BEiTv2:  # fmt: skip
    """codes: a tokenizer of one's own, see `grammar.targets.Codes`. layer, depth: of the second stack.

    Without codes a `VQKD` of `count` words is trained for `steps` to tell what `teacher`, a timm model or Encoder, sees.

    Raises TypeError for an encoder without a class token.
    """
    if codes is None:
        tells = HOG(encoder.grid) if teacher is None else Frozen(teacher, student=encoder).features
        codes = VQKD.made(encoder.grid, tells, mean=encoder.mean, std=encoder.std, count=count, steps=steps)
    model = BEiTv2(
        encoder, where=Blocks.on(encoder.grid, ratio), how=MaskToken(encoder.content_width), target=codes,
        decoder=Linear(encoder.width, codes.count, prefix=encoder.prefix), loss=cross_entropy, name="beit_v2",
    )  # fmt: skip
    model.stack(layer=layer, depth=depth)
    model.weight = weight
    return model
