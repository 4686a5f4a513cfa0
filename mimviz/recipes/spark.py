"""Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked Modeling. Tian et al. ICLR 2023. arXiv 2301.03580.

MAE for conv nets: sparse convolutions, so that the mask keeps its shape in every layer, and a light decoder that is fed from every
scale. Takes a timm ResNet or ConvNeXt; afterwards `model.encoder.vit` is that net, with the weights it has learned, for ordinary
dense use. Verified against a naive twin after the authors' code (keyu-tian/SparK, pretrain/spark.py), weight for weight: the loss
is equal (tests/recipes/test_spark.py). Of the widths that the paper leaves open, the code's: 768 halved at each scale.
"""

from __future__ import annotations

from torch import Tensor

from ..cnn import pyramid, stages
from ..core import Mask
from ..grammar import MaskedModel
from ..grammar.decoders import Light
from ..grammar.how import Fill
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder


class SparK(MaskedModel):
    """A masked model whose decoder reads `maps`: what the net makes of visible cells, at every scale."""

    def maps(self, images: Tensor, mask: Mask) -> list[Tensor]:
        """(B, C, rows, cols) for each scale, finest first; exactly 0 in every hidden cell."""
        content, _ = self.how(self.encoder.embed(images), mask)
        visible = ~mask.hidden.unflatten(1, self.grid.shape)
        return pyramid(self.encoder.vit, self.grid.unpatchify(content), visible)

    def encode(self, images: Tensor, mask: Mask) -> Tensor:
        """The last of the maps as tokens (B, N, width)."""
        return self.maps(images, mask)[-1].flatten(2).transpose(1, 2)

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        return self.decoder(self.maps(images, mask), mask)


def spark(encoder: Encoder, *, ratio=0.6, normalize=True, dim=768) -> SparK:
    """dim: width of the decoder at its coarsest scale.

    Raises TypeError for an encoder that is no conv net.
    """
    if encoder.anatomy.reach != "convolutions":
        raise TypeError(
            f"SparK is for conv nets, but this encoder is a {encoder.anatomy.family}: take "
            "mimviz.encoder('resnet50') or mimviz.encoder('convnext_tiny'), or recipes.mae for a ViT"
        )
    found = stages(encoder.vit, encoder.grid.height, encoder.grid.width)
    widths, grids = [found.widths[s] for s in found.scales], [found.grids[s] for s in found.scales]
    norm = "layer" if encoder.anatomy.family == "ConvNeXt" else "batch"
    return SparK(
        encoder, where=Highest(ratio), how=Fill("zero"), target=Pixels(encoder.grid, normalize=normalize),
        decoder=Light(widths, grids, dim=dim, norm=norm), loss=squared, name="spark",
    )  # fmt: skip
