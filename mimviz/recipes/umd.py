"""Unified Auto-Encoding with Masked Diffusion. Hansen-Estruch, Vishwanath, Zhang, Tomar. arXiv 2024. arXiv 2406.17688.

MAE and diffusion in one autoencoder: a share `clean` of all steps is MAE (time 0, no noise, many patches hidden), in the others the
picture is both noised and masked, fewer patches are hidden, and the model says the picture x₀ where patches are hidden and the
noise ε where they are visible. Time 0 adds nothing, so there this is MAE. Weights and ratios of the authors' code
(philippe-eecs/small-vision, trainers/train_ae.py and configs/ae_i1k.py), which a naive twin follows (tests/recipes/test_umd.py).
Two things differ: there each batch is divided, here each step is of one kind; and there adaptive norms tell the time, here an
embedding is added to every patch, since the encoder is any ViT.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core import Mask, Outcome, seeded
from ..grammar import MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.how import Drop
from ..grammar.losses import squared
from ..grammar.noising import Cosine, waves
from ..grammar.targets import Pixels
from ..grammar.where import Highest
from ..vit import Encoder, evaluating


class UMD(MaskedModel):
    """`clean`: the chance of a step without noise; `noisy`: where such steps hide; `schedule`: how much noise comes when."""

    def __init__(self, encoder: Encoder, *, clean: float, noisy: Highest, schedule: Cosine, **words):
        super().__init__(encoder, **words)
        self.clean, self.noisy, self.schedule = clean, noisy, schedule
        width = encoder.content_width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        """A mask from outside is a step without noise."""
        if mask is not None or float(torch.rand(())) < self.clean:
            return super().forward(images, mask)
        t = torch.randint(1, self.schedule.steps + 1, (len(images),), device=images.device)
        return self.denoise(images, torch.randn_like(images), t)

    def denoise(self, images: Tensor, noise: Tensor, t: Tensor, mask: Mask | None = None) -> Outcome:
        """A step at times t (B,): half the error of x₀ where hidden, and as a term half that of ε where visible."""
        mask = (self.noisy(images, self.grid) if mask is None else self.grid.check(mask).to(images.device)).expand(
            len(images)
        )
        picture, guess = self.both(self.schedule.noised(images, noise, t), mask, t)
        wrong = squared(guess, self.grid.patchify(noise)).mean(-1)[~mask.hidden].mean() / 2
        if not mask.hidden.any():  # plain diffusion: both everywhere
            mask = Mask(mask.hidden, ~mask.hidden, mask.shape)
        outcome = self.compare(picture, images, mask, noise=wrong)
        return replace(outcome, patch_loss=outcome.patch_loss / 2)

    def both(self, images: Tensor, mask: Mask, t: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Guesses (B, N, patch² · 3) of the picture and of the noise in it."""
        content = self.encoder.embed(images)
        if t is not None:
            content = content + torch.where(t[:, None] > 0, self.time(waves(t, content.shape[-1])), 0)[:, None]
        return self.decoder(self.encoder(*self.how(content, mask)), mask).chunk(2, -1)

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        return self.both(images, mask)[0]

    @torch.no_grad()
    def sample(self, count: int = 1, *, steps: int = 50, seed: int = 0) -> Tensor:
        """Pictures (count, 3, height, width) out of noise, normalized, by DDIM (Song et al., ICLR 2021) in so many steps."""
        grid, nothing = self.grid, Mask.none(self.grid).to(self.device).expand(count)
        x = torch.randn(count, 3, grid.height, grid.width, generator=seeded(seed)).to(self.device)
        times = torch.linspace(self.schedule.steps, 0, steps + 1).round().long().to(self.device)
        with evaluating(self):
            for now, then in pairwise(times):
                _, noise = (grid.unpatchify(each) for each in self.both(x, nothing, now.expand(count)))
                kept = self.schedule.kept(now)
                x = self.schedule.noised((x - (1 - kept).sqrt() * noise) / kept.sqrt(), noise, then.expand(count))
        return x


def umd(encoder: Encoder, *, ratio=0.75, noisy=0.375, clean=0.5, steps=1000, dim=512, depth=8, heads=None) -> UMD:
    """ratio: hidden in steps without noise, a share `clean` of all; noisy: in the others. dim, depth, heads: of the decoder."""
    target = Pixels(encoder.grid, normalize=False)
    decoder = Transformer(
        encoder.width, 2 * target.width, encoder.grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads
    )
    return UMD(
        encoder, clean=clean, noisy=Highest(noisy), schedule=Cosine(steps), where=Highest(ratio), how=Drop(), target=target,
        decoder=decoder, loss=squared, name="umd",
    )  # fmt: skip
