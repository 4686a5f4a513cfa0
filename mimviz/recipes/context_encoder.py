"""Context Encoders: Feature Learning by Inpainting. Pathak, Krähenbühl, Donahue, Darrell, Efros. CVPR 2016. arXiv 1604.07379.

A hole is filled with the mean colour, an encoder reads the picture, a matrix for each channel carries what it found into the
hole, and up-convolutions paint. Squared error alone paints the mean of all that could be there; a discriminator of the fill makes
it choose. Loss and layers are read beside the authors' code (pathak22/context-encoder); its band of seven pixels around a central
hole is left out. The paper's encoder is convolutional: encoder("resnet18", …), but any Encoder will do. adversarial=0 has no
discriminator.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ..core import Mask, Outcome
from ..grammar.corrupted import Corrupted
from ..grammar.decoders import ChannelWise
from ..grammar.how import Corrupt
from ..grammar.losses import squared
from ..grammar.targets import Pixels
from ..grammar.where import Blocks
from ..vit import Encoder


class ContextEncoder(Corrupted):
    """One optimizer trains both: the fill is judged by a discriminator that it cannot change, and cut off where that one learns."""

    def judged_by(self, discriminator: nn.Module, weight: float) -> ContextEncoder:
        self.discriminator, self.weight = discriminator, weight
        return self

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        guess = self.predict(images, mask)
        if not hasattr(self, "discriminator"):
            return self.compare(guess, images, mask)
        hidden = mask.hidden[..., None]
        fake, real = (self.grid.unpatchify(x.masked_fill(~hidden, 0)) for x in (guess, self.grid.patchify(images)))
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        fooled = functional_call(self.discriminator, fixed, (fake,))
        told = self.discriminator(torch.cat([real, fake.detach()]))
        truth = torch.cat([torch.ones_like(fooled), torch.zeros_like(fooled)])
        terms = {
            "adversarial": self.weight * F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled)),
            "discriminator": F.binary_cross_entropy_with_logits(told, truth),
        }
        return self.compare(guess, images, mask, **terms)


def discriminator(dim: int = 64, depth: int = 3) -> nn.Sequential:
    """Pictures with all but the fill at zero → (B, 1), > 0 for a true one. Each layer halves the size and doubles `dim`."""
    dims = [3, *(dim * 2**i for i in range(depth))]
    layers = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(dims)]
    parts = [part for layer in layers for part in (layer, nn.LeakyReLU(0.2))]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * dims[-1], 1))


def context_encoder(encoder: Encoder, *, ratio=0.25, smallest=4, dim=512, adversarial=0.0) -> ContextEncoder:
    """ratio, smallest: of the random blocks, up to a quarter of the picture. dim: width of the decoder.

    adversarial: its share of the loss, 0.001 in the paper; the squared error has the rest.
    """
    model = ContextEncoder(
        encoder,
        where=Blocks(ratio, smallest),
        how=Corrupt(encoder.grid, ("zeros",)),
        target=Pixels(encoder.grid, normalize=False),
        decoder=ChannelWise(encoder.width, encoder.grid, prefix=encoder.prefix, dim=dim),
        loss=squared if not adversarial else lambda guess, truth: (1 - adversarial) * squared(guess, truth),
        name="context encoder",
    )
    return model.judged_by(discriminator(), adversarial) if adversarial else model
