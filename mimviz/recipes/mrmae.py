"""Mimic before Reconstruct: Enhancing Masked Autoencoders with Feature Mimicking. Gao, Zhang et al. IJCV 2024. arXiv 2303.05475.

MAE, and beside it every visible patch mimics a frozen teacher: one linear layer behind the encoder shall say what the teacher says
there, squared error. The two losses live on disjoint patches and at two depths, and so are said not to disturb each other;
`grammar.conflict` measures it. Without its term this is MAE, bit for bit. `shared` is the control: both losses where hidden, from
one decoder. This paper's code is not in Alpha-VL/ConvMAE: weights of 1 and features as they are, are readings of the text, which a
naive twin follows (tests/recipes/test_mrmae.py). The teacher is CLIP or DINO there, a frozen copy of the encoder here unless one is
given. Not here: the full model, over ConvMAE's stages and several layers.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import Frozen, MaskedModel
from ..grammar.decoders import Transformer, Visible
from ..grammar.targets import Features
from ..vit import Encoder
from .mae import mae


class MRMAE(MaskedModel):
    """`features`: the teacher's, of the whole picture; `mimic`: the layer that guesses them, None where the decoder does."""

    features: Features
    mimic: Visible | None
    weight: float = 1.0

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        seen = self.encode(images, mask := self._mask(images, mask))
        guess = self.decoder(seen, mask)
        outcome = self.compare(guess[..., : self.target.width], images, mask)
        said, truth = self._mimicry(seen, guess, images, mask)
        mimic = F.mse_loss(said, truth, reduction="sum") / max(truth.numel(), 1)  # 0 where no patch mimics
        return replace(outcome, terms={"mimic": self.weight * mimic} if self.weight else {})

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        return super().predict(images, mask)[..., : self.target.width]

    @torch.no_grad()
    def agreement(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B N"]:
        """The cosine of what is mimicked and the teacher's features at each patch that mimics, NaN elsewhere."""
        seen = self.encode(images, mask)
        cosines = F.cosine_similarity(*self._mimicry(seen, self.decoder(seen, mask), images, mask))
        return torch.full_like(mask.hidden, torch.nan, dtype=cosines.dtype).masked_scatter(self._mimics(mask), cosines)

    def receives(self, outcome: Outcome) -> dict[str, Bool[Tensor, "B N"]]:
        """Which patches each loss looks at."""
        return {"pixels": outcome.mask.predict, "mimic": self._mimics(outcome.mask) & bool(self.weight)}

    def _mimics(self, mask: Mask) -> Tensor:
        return mask.hidden if self.mimic is None else ~mask.hidden

    def _mimicry(self, seen: Tensor, guess: Tensor, images: Tensor, mask: Mask) -> tuple[Tensor, Tensor]:
        """What is said and what the teacher says at the patches that mimic, (rows, width) each, picture after picture."""
        truth, where = self.features(images, mask), self._mimics(mask)
        said = guess[..., self.target.width :][where] if self.mimic is None else self.mimic(seen, mask).flatten(0, 1)
        return said, truth[where]


def mrmae(
    encoder: Encoder, *, ratio=0.75, weight=1.0, shared=False, normalize=True, dim=512, depth=8, heads=None,
    teacher: nn.Module | None = None,
) -> MRMAE:  # fmt: skip
    """weight: of the mimic term. shared: both losses where hidden. dim, depth, heads: of the decoder. teacher: a timm model."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    model = MRMAE(encoder, **{**base.words, "teacher": frozen}, name="mrmae")  # type: ignore[arg-type]
    model.features, model.weight = Features(frozen, whole="none"), weight
    model.mimic = None if shared else Visible(encoder.width, frozen.width, prefix=encoder.prefix)
    if shared:
        out = base.target.width + frozen.width
        model.decoder = Transformer(encoder.width, out, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads)
    return model
