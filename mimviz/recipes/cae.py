"""Context Autoencoder for Self-Supervised Representation Learning. Chen, Ding, Wang and others. IJCV 2024. arXiv 2202.03026.

Between encoder and decoder stands a regressor: from what the encoder makes of the visible patches it says what the encoder would
make of the hidden ones. It is held to that (twice the squared error to the encoder's own view of the hidden patches alone, without
a gradient), and the decoder sees these latents and nothing else, so that the encoder is left with seeing. Blocks, places, norms,
layer scale and both losses are read beside the authors' code (Atten4Vis/CAE, modeling_cae.py and modeling_cae_helper.py); there
the target's weights lag one step behind, and weights begin smaller. The paper's codes are DALL-E's; here k-means of the bundled
pictures stands in unless others are given. Slow twins are in tests/recipes/test_cae.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import MaskedModel
from ..grammar.decoders import FromHidden, Regressor
from ..grammar.how import Drop
from ..grammar.losses import cross_entropy
from ..grammar.targets import Codes
from ..grammar.where import Blocks
from ..vit import Encoder, evaluating


class CAE(MaskedModel):
    """Rows of the outcome are the hidden patches, `mask.hidden_ids`. `weight`: of the alignment of latents."""

    regressor: Regressor
    weight: float = 2.0

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        ids = mask.hidden_ids
        latents = self.regressor(self.encode(images, mask), mask)
        guess, truth = self.decoder(latents, ids), self.target(images, mask).gather(1, ids[..., None])
        terms = {"alignment": self.weight * F.mse_loss(latents, self.true_latents(images, mask))} if self.weight else {}
        view = self._view(images, mask, "visible")
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), ids, view, terms)

    @torch.no_grad()
    def true_latents(self, images: Tensor, mask: Mask) -> Tensor:
        """(B, M, width): what the encoder makes of the hidden patches, seeing them alone."""
        return self.encode(images, Mask(~mask.hidden, None, mask.shape))[:, self.encoder.prefix :]  # type: ignore[arg-type]

    @torch.no_grad()
    def agreement(self, images: Tensor, mask: Mask) -> Tensor:
        """(B, N): cosine between predicted and true latents of each hidden patch; NaN where visible."""
        with evaluating(self):
            mask = self._mask(images, mask)
            latents = self.regressor(self.encode(images, mask), mask)
            cosines = F.cosine_similarity(latents, self.true_latents(images, mask), dim=-1)
        return torch.full(mask.hidden.shape, torch.nan).to(cosines).scatter(1, mask.hidden_ids, cosines)

    @torch.no_grad()
    def attention(self, images: Tensor, mask: Mask) -> list[Tensor]:
        """For every block of the regressor (B, heads, M, K): how much each hidden patch reads of each visible one."""
        with evaluating(self):
            mask = self._mask(images, mask)
            found = self.regressor.attention(self.encode(images, mask), mask)
        return [each[..., : mask.keep_ids.shape[1]] for each in found]


def cae(
    encoder: Encoder, *, ratio=0.5, weight=2.0, codes: Codes | None = None, count=64, regress=4, depth=4, heads=None
) -> CAE:
    """regress, depth: blocks of regressor and decoder, as wide as the encoder. weight: of the alignment, 0 leaves it out.

    codes: k-means of the bundled pictures with `count` words unless told.
    """
    grid, width = encoder.grid, encoder.width
    heads = max(width // 64, 1) if heads is None else heads
    codes = codes or Codes.by_kmeans(grid, mean=encoder.mean, std=encoder.std, count=count)
    model = CAE(
        encoder, where=Blocks(ratio, smallest=min(16, max(grid.count // 12, 1))), how=Drop(), target=codes,
        decoder=FromHidden(width, codes.count, grid, depth=depth, heads=heads), loss=cross_entropy, name="cae",
    )  # fmt: skip
    model.regressor = Regressor(width, grid, prefix=encoder.prefix, depth=regress, heads=heads)
    model.weight = weight
    return model
