"""Integrally Pre-Trained Transformer Pyramid Networks. Tian et al. CVPR 2023. arXiv 2211.12735.

Backbone and feature pyramid are trained together, so that both are there for detection and segmentation: visible mask units go
through a hierarchical ViT and a pyramid, all levels join for an MAE decoder, and each level predicts what a teacher sees in the
whole picture at its own scale (masked feature modelling). Takes a timm Hiera, which can leave out mask units as the paper's HiViT
does; afterwards `model.neck` is the pyramid. Read beside the authors' code (sunsmarterjie/iTPN, itpn_pixel/models_itpn_mim.py:
cells of a level side by side, levels added, normalized pixels). Its pyramid is plainer here (linear layers), the teacher is a slow
copy, and features are compared where units are visible, by cosine, each level the same; a naive twin is in the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.decoders import Gather, Neck, Transformer
from ..grammar.how import Drop
from ..grammar.losses import cosine, squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder


class ITPN(MaskedModel):
    """`weight`: of the features' term; `levels`: whose features are predicted, all unless told, 0 is the finest."""

    def __init__(
        self, encoder: Encoder, *, neck: Neck, gather: Gather, widths: list[int], width: int, weight: float, **words
    ):
        super().__init__(encoder, **words)
        self.neck, self.gather, self.weight = neck, gather, weight
        self.heads = nn.ModuleList(nn.Linear(width, each) for each in widths)
        self.levels = tuple(range(len(widths)))

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        """Tokens (B, K, width) of visible units, from the last stage."""
        return stages(self.encoder, images, mask)[-1].flatten(1, 3)

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        levels = self.neck(stages(self.encoder, images, mask))
        terms = {"features": self.weight * self._features(levels, images, mask)} if self.weight else {}
        return self.compare(self.decoder(self.gather(levels), mask), images, mask, **terms)

    def _features(self, levels: list[Tensor], images: Tensor, mask: Mask) -> Tensor:
        with torch.no_grad():
            teacher = self.teacher.encoder  # type: ignore[union-attr]
            seen = stages(teacher, images, Mask.none(self.grid).to(images.device).expand(len(images)))
        losses = []
        for level in self.levels:
            truth = seen[level][~mask.hidden].flatten(1, 2)  # (B · K, cells, channels)
            losses.append(cosine(self.heads[level](levels[level]).flatten(0, 1).flatten(1, 2), truth).mean())
        return torch.stack(losses).mean()


def itpn(
    encoder: Encoder, *, ratio=0.75, normalize=True, weight=1.0, width=256, dim=512, depth=8, heads=None, momentum=0.996
) -> ITPN:
    """weight: of the features' term. width: of the pyramid. dim, depth, heads: of the decoder. momentum: of the teacher.

    Raises TypeError for an encoder that is no Hiera whose last stage has one cell for each mask unit.
    """
    parts, grid = encoder.anatomy, encoder.grid
    if parts.family != "Hiera" or tuple(encoder.vit.mask_spatial_shape) != grid.shape:
        raise TypeError(
            f"iTPN leaves out mask units of a hierarchical ViT, but this encoder is a {parts.family}: take "
            "mimviz.encoder('hiera_tiny_224'), with as many poolings as halvings of its mask unit"
        )
    blocks = [encoder.vit.blocks[end] for end in encoder.vit.stage_ends]
    widths, sides = [block.dim_out for block in blocks], [grid.patch // each.patch for each in parts.stages]
    target = Pixels(grid, normalize=normalize)
    return ITPN(
        encoder, neck=Neck(widths, width=width), gather=Gather(sides, width, dim), widths=widths, width=width, weight=weight,
        where=Highest(ratio), how=Drop(), target=target, loss=squared, name="itpn",
        decoder=Transformer(dim, target.width, grid, prefix=0, dim=dim, depth=depth, heads=heads),
        teacher=EMA(encoder, momentum=momentum) if weight else None,
    )  # fmt: skip


def stages(encoder: Encoder, images: Tensor, mask: Mask) -> list[Tensor]:
    """(B, K, side, side, channels) of the visible mask units behind each stage, finest first."""
    return encoder.vit.forward_features(images, mask=~mask.hidden, return_intermediates=True)[1]
