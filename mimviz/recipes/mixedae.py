"""Mixed Autoencoder for Self-supervised Visual Representation Learning. Chen et al. CVPR 2023. arXiv 2303.17152.

Where MAE hides, MixedAE shows patches of other pictures: four pictures share the places of one, and the decoder unmixes each.
Naively mixed, this is too easy; so each patch has to recognise its own kind: it looks at as many patches as its picture has, those
it finds most alike (top k of the attention), and a contrastive term (τ 0.25, weight 0.1) draws the tokens of one picture together.
No code is public: written from the paper's description and compared with a slow twin; segment embeddings are left out, and the
mixture is computed once for each picture of a group. attention=False, weight=0 is naive mixing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import Whole
from ..grammar.how import Mix
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Partition
from ..vit import Encoder, edited


class MixedAE(MaskedModel):
    how: Mix
    project: nn.Module
    attention: bool
    weight: float

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        seen = self.encode(images, mask)
        terms = {"homologous": self.weight * self._contrast(seen, mask)} if self.weight else {}
        return self.compare(self.decoder(seen, mask), images, mask, **terms)

    def encode(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B K C"]:
        if not self.attention or not mask.hidden.any():
            return super().encode(images, mask)
        own = strongest((~mask.hidden).sum(1), self.encoder.prefix)
        with edited(self.encoder, maps=dict.fromkeys(range(len(self.encoder.anatomy.attentions)), own)):
            return super().encode(images, mask)

    def _contrast(self, seen: Tensor, mask: Mask) -> Tensor:
        z = F.normalize(self.project(seen[:, self.encoder.prefix :]), dim=-1)
        return homologous(z, self.how.owners(mask))


def strongest(count: Tensor, prefix: int) -> Callable[[Tensor], Tensor]:
    """A map of attention (B, heads, T, T) → only the `count` (B,) largest patches of each row; rows sum to 1 again."""

    def kept(attention: Tensor) -> Tensor:
        patches = attention[..., prefix:]
        at = (count.clamp(min=1) - 1).view(-1, 1, 1, 1).expand(*patches.shape[:3], 1)
        least = patches.sort(dim=-1, descending=True).values.gather(-1, at)
        left = torch.cat([attention[..., :prefix], patches * (patches >= least)], dim=-1)
        return left / left.sum(-1, keepdim=True)

    return kept


def homologous(z: Tensor, owners: Tensor, tau: float = 0.25) -> Tensor:
    """Unit vectors z (B, N, D) and whose each is (B, N) → −log of the share that each one of its own has in exp(cosine / τ)."""
    alike = z @ z.transpose(1, 2) / tau
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    logs = alike - alike.masked_fill(itself, -torch.inf).logsumexp(-1, keepdim=True)
    own = (owners[:, :, None] == owners[:, None]) & (owners >= 0)[:, None] & ~itself
    return -(logs * own).sum() / own.sum().clamp(min=1)


def mixedae(
    encoder: Encoder, *, group=4, attention=True, weight=0.1, normalize=True, dim=512, depth=8, heads=None
) -> MixedAE:
    """group: pictures in a mixture (a quarter of each is visible). attention, weight: of homologous recognition. Else MAE's."""
    target = Pixels(encoder.grid, normalize=normalize)
    decoder = Whole(encoder.width, target.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads)
    words = {"where": Partition(group), "how": Mix(group), "target": target, "decoder": decoder, "loss": squared}
    model = MixedAE(encoder, **words, name="mixedae")
    model.attention, model.weight = attention, weight
    if weight:
        width = encoder.width
        model.project = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 128))
    return model
