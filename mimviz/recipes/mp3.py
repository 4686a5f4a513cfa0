"""Position Prediction as an Effective Pretraining Strategy. Zhai et al. ICML 2022. arXiv 2207.07611.

A ViT without positions gets all patches of a picture and says of each where it lies, by cross-entropy over the N places. What is
hidden here is not kept from the model: a hidden patch asks, but nobody may look at it (it is a query in every block, never a key),
so that places must be told from few others. No code of the authors is public; a naive twin is written from section 3 and read
beside lucidrains/vit-pytorch (mp3.py), whose keys are the embedded patches themselves in every layer, not what the blocks make of
them. Afterwards `model.encoder.vit` is a ViT without positions; the paper fine-tunes it so, or with new ones.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar.decoders import Linear
from ..grammar.how import Keep
from ..grammar.losses import cross_entropy
from ..grammar.placing import Placing
from ..grammar.targets import Positions
from ..grammar.where import Highest
from ..vit import Encoder, with_parts


class MP3(Placing):
    """All patches are predicted, also those that may be looked at."""

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        given = self._mask(images, mask)
        mask = Mask(given.hidden, torch.ones_like(given.hidden), given.shape)
        return self.compare(self.predict(images, mask), images, mask)

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        vit, prefix = self.encoder.vit, self.encoder.prefix
        through: Any = self.encoder.through
        if not prefix and mask.hidden.all(1).any():
            raise ValueError(
                "all patches of a picture are hidden and there is no class token, so nobody may be looked at"
            )
        keys = F.pad(~mask.hidden, (prefix, 0), value=True)[:, None, None]  # (B, 1, 1, prefix + N)
        x = through.sequence(vit, self.encoder.embed(images), None)
        for block in vit.blocks:
            x = block(x, attn_mask=keys)
        return vit.norm(x)


def mp3(encoder: Encoder, *, ratio=0.75) -> MP3:
    """A model with an encoder of its own: that one without positions. ratio: of patches that nobody may look at, η.

    Raises TypeError for an encoder that is no plain ViT.
    """
    if encoder.anatomy.family != "VisionTransformer":
        raise TypeError(f"MP3 takes the positions of a plain ViT away, but this encoder is a {encoder.anatomy.family}")
    own = with_parts(encoder, pos_embed=None)  # type: ignore[arg-type]
    target = Positions(own.grid)
    decoder = Linear(own.width, target.width, prefix=own.prefix)
    return MP3(own, where=Highest(ratio), how=Keep(), target=target, decoder=decoder, loss=cross_entropy, name="mp3")
