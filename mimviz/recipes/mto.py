"""Emerging Property of Masked Token for Effective Pre-training. Choi, Lee, Joung, Park, Kim, Min. ECCV 2024. arXiv 2404.08330.

A mask token in the encoder should stay recognisable as one (data singularity) until it has something to say. SimMIM, plus three
things in its first layers: visible patches do not yet weigh in mask tokens (weight recalibration, fading out layer by layer), the
attention they would give is made sparse (L_spa), and hidden tokens are kept unlike visible ones (L_e, by entropy).
There is no public code, and of the paper only abstract and summary could be read: the formulas here are this library's, after these
words, and the paper's third term (L_r) is not here. `heterogeneity` alone is the diagnostic. layers=0 is SimMIM, bit for bit.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..vit import Encoder, edited
from ..vit.recording import recording
from .simmim import simmim


class MTO(MaskedModel):
    layers: int
    weight: float

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        if not self.weight:
            return self.compare(self.decoder(self.encode(images, mask), mask), images, mask)
        given: list[Tensor] = []
        with recording(self.encoder.vit, self.encoder.anatomy, layers=range(self.layers)) as trace:
            seen = self.encode(images, mask, given)
        outputs: list[Any] = [block.output for block in trace.blocks[: self.layers]]
        tokens = [each[:, self.encoder.prefix :] for each in outputs]
        unlike = torch.stack([heterogeneity(each, mask.hidden) for each in tokens]).mean()
        terms = {"entropy": self.weight * (1 - unlike), "sparsity": self.weight * torch.stack(given).mean()}
        return self.compare(self.decoder(seen, mask), images, mask, **terms)

    def encode(self, images: Tensor, mask: Mask, given: list[Tensor] | None = None) -> Tensor:
        """`given` is filled with the attention that visible patches gave to hidden ones before recalibration, layer by layer."""
        given = [] if given is None else given
        parts = range(self.layers if mask.hidden.any() else 0)
        maps = {layer: partial(self._recalibrated, mask.hidden, layer / self.layers, given) for layer in parts}
        with edited(self.encoder, maps=maps):
            return super().encode(images, mask)

    def _recalibrated(self, hidden: Tensor, share: float, given: list[Tensor], attention: Tensor) -> Tensor:
        """Attention (B, heads, T, T) of the visible to the hidden times `share`; rows sum to 1 as before."""
        hidden = F.pad(hidden, (self.encoder.prefix, 0))
        pairs = (~hidden[:, :, None] & hidden[:, None])[:, None]
        rows = (~hidden[:, None]).expand(attention.shape[:3])
        given.append((attention * pairs).sum(-1)[rows].mean())
        left = torch.where(pairs, attention * share, attention)
        return left / left.sum(-1, keepdim=True)


def heterogeneity(tokens: Float[Tensor, "B N C"], hidden: Tensor, *, tau: float = 0.25) -> Tensor:
    """0..1: how surely a hidden token's likeness tells that it is hidden; 0 where hidden and visible tokens are the same.

    tokens (B, N, C), hidden (B, N). Of each hidden token, the mean cosine to the hidden and to the visible, softmax at `tau`;
    1 less the entropy of the two in bits, the mean over all.
    """
    z = F.normalize(tokens.float(), dim=-1)
    alike = z @ z.transpose(1, 2)
    sets = torch.stack([hidden, ~hidden], dim=1).float()  # (B, 2, N)
    means = alike @ (sets / sets.sum(-1, keepdim=True).clamp(min=1)).transpose(1, 2)  # (B, N, 2)
    logs = (means / tau).log_softmax(-1)
    entropy = -(logs.exp() * logs).sum(-1) / math.log(2)
    return ((1 - entropy) * hidden).sum() / hidden.sum().clamp(min=1)


def mto(encoder: Encoder, *, layers=2, weight=0.1, ratio=0.6, unit=2) -> MTO:
    """layers: how many of the first are optimized. weight: of each of the two terms. The rest is SimMIM's."""
    base = simmim(encoder, ratio=ratio, unit=unit)
    model = MTO(encoder, **base.words, name="mto")
    model.layers, model.weight = min(layers, len(encoder.anatomy.attentions)), weight if layers else 0.0
    return model
