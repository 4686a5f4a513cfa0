"""Tiles: which of the hidden patches belongs into each hole (Selfie, Trinh et al., 2019, section 3, arXiv 1906.02940)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ...core import Grid, Mask


@dataclass(frozen=True)
class Tiles:
    """target(images, mask) → (B, N, 1), whole numbers: the place of each hidden patch in `mask.hidden_ids`; 0 where visible.

    As a picture, each hole shows the tile that a guess (B, N, M), a score for each of the M hidden patches, puts there.
    """

    grid: Grid

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Int[Tensor, "B N 1"]:
        hidden = mask.hidden.long()
        return ((hidden.cumsum(1) - 1) * hidden)[..., None]

    def pixels(
        self,
        guess: Float[Tensor, "B N M"],
        images: Float[Tensor, "B 3 H W"],
        mask: Mask,
        *,
        statistics: str = "visible",
    ) -> Float[Tensor, "B N D"]:
        """The tiles that get the highest scores."""
        tiles, chosen = self.grid.patchify(images), mask.hidden_ids.gather(1, guess.argmax(-1))
        return tiles.gather(1, chosen[..., None].expand(-1, -1, tiles.shape[-1]))

    def leaks(self, statistics: str) -> bool:
        return True

    def note(self, statistics: str) -> str:
        return "holes are filled with the hidden patches themselves, each where the model would put it"
