"""Sampled: a small network says how likely each patch is to be seen (AdaMAE, Bandara et al., CVPR 2023, arXiv 2211.09120)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ...core import Grid, Mask, keep_count
from ...vit import Encoder


@dataclass(frozen=True)
class Sampled:
    """where(images, grid) → Mask: visible patches are drawn without replacement with the sampler's probabilities.

    `sampler(content, mask)` gives a number for each patch (B, N, 1) from what `encoder.embed` makes of the picture. Both are plain
    references; they live in the model.
    """

    encoder: Encoder = field(repr=False)
    sampler: nn.Module = field(repr=False)
    ratio: float = 0.75

    def __call__(self, images: Tensor, grid: Grid, generator: Generator | None = None) -> Mask:
        with torch.no_grad():
            return self.pick(self.logs(self.encoder.embed(images)), grid, generator)

    def logs(self, content: Float[Tensor, "B N C"]) -> Float[Tensor, "B N"]:
        """log p of each patch; the content gets no gradient."""
        nothing = Mask.none(self.encoder.grid).to(content.device).expand(len(content))
        return self.sampler(content.detach(), nothing)[..., 0].float().log_softmax(-1)

    def pick(self, logs: Float[Tensor, "B N"], grid: Grid, generator: Generator | None = None) -> Mask:
        """A mask drawn from log p."""
        return visible_by(logs.detach().exp(), self.ratio, grid, generator)


def visible_by(chances: Float[Tensor, "B N"], ratio: float, grid: Grid, generator: Generator | None = None) -> Mask:
    """Visible patches are drawn without replacement, in proportion to `chances`; a share `ratio` is hidden."""
    asked = chances.clamp_min(1e-12)
    asked = asked.to(generator.device) if generator else asked
    seen = torch.multinomial(asked, keep_count(grid.count, ratio), generator=generator).to(chances.device)
    return Mask(torch.ones_like(chances, dtype=torch.bool).scatter(1, seen, False), shape=grid.shape)
