"""Masked models with a second stack of blocks, which must make do with the class token for what later blocks found out about the
picture (BEiT v2, Peng et al., arXiv 2208.06366, section 2.3, after Condenser, Gao and Callan, EMNLP 2021).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Mask
from ..vit.recording import recording
from .decoders.transformer import blocks
from .model import MaskedModel


class Aggregated(MaskedModel):
    """`second`: blocks fed with the class token that comes out of the last block and the patches that come out of block `layer`."""

    layer: int
    second: nn.Sequential

    def stack(self, *, layer: int | None = None, depth: int = 2) -> Aggregated:
        """layer: the fourth from the end unless told, the papers' 9th of 12 and 21st of 24."""
        anatomy, count = self.encoder.anatomy, len(self.encoder.anatomy.blocks)
        if not anatomy.class_tokens or len(anatomy.stages) > 1:
            raise TypeError(
                f"this {anatomy.family} has no class token that all its blocks work on, but a second stack reads all from it"
            )
        layer = max(count - 4, 0) if layer is None else layer
        if not 0 <= layer < count:
            raise ValueError(f"layer is {layer}, but the encoder has {count} blocks: 0..{count - 1}")
        heads = self.encoder.vit.get_submodule(anatomy.attentions[-1]).num_heads
        self.layer, self.second = layer, blocks(self.encoder.width, heads, depth)
        return self

    def both(
        self, images: Float[Tensor, "B 3 H W"], mask: Mask
    ) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "B T C"]]:
        """Tokens (B, prefix + N, width): what the encoder makes of the picture, and what the second stack does, before any norm."""
        last = len(self.encoder.anatomy.blocks) - 1
        with recording(self.encoder.vit, self.encoder.anatomy, layers={self.layer, last}) as trace:
            seen = self.encode(images, mask)
        prefix = self.encoder.prefix
        late, early = trace.tokens[last][:, :prefix], trace.tokens[self.layer][:, prefix:]
        return seen, self.second(torch.cat([late, early], dim=1))
