"""AdaMAE: Adaptive Masking for Efficient Spatiotemporal Learning with MAEs. Bandara et al. CVPR 2023. arXiv 2211.09120.

A small network of one block gives each patch a probability to be seen; visible patches are drawn from it. Drawing has no gradient,
so it learns as an agent does: −log p of the hidden patches times how badly they were reconstructed, hence what is hard to guess is
shown more often. Read beside wgcban/adamae: weight 1e-4, mean over hidden patches; there the tokens given to the
sampler carry its gradient back into the patch embedding, in the paper and here they do not. Pictures instead of clips.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.where import Sampled
from ..vit import Encoder
from .mae import mae


class AdaMAE(MaskedModel):
    """A MAE with `sampler`. With a mask from outside nothing was drawn, so there is nothing for the sampler to learn."""

    sampler: Transformer
    weight: float = 1e-4

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        if mask is not None or not isinstance(self.where, Sampled):
            return super().forward(images, mask)
        logs = self.where.logs(self.encoder.embed(images))
        outcome = super().forward(images, self.where.pick(logs, self.grid))
        hidden = outcome.mask.hidden
        reward = -(logs * outcome.patch_loss.detach())[hidden].mean()
        return replace(outcome, terms={"sampling": self.weight * reward})


def adamae(
    encoder: Encoder, *, ratio=0.75, weight=1e-4, normalize=True, dim=512, depth=8, heads=None, sampler=192
) -> AdaMAE:
    """weight: of the sampling loss. sampler: width of the sampler. The rest is MAE's."""
    base = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    network = Transformer(encoder.content_width, 1, encoder.grid, prefix=0, dim=sampler, depth=1)
    model = AdaMAE(
        encoder, where=Sampled(encoder, network, ratio), how=base.how, target=base.target, decoder=base.decoder,
        loss=base.loss, name="adamae",
    )  # fmt: skip
    model.sampler, model.weight = network, weight
    return model
