"""Drop: tokens are left out of a ViT's sequence, nothing stands in their place (Jain et al., ICLR 2022, arXiv 2204.08945)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ...vit import Scene
from ...vit.dropping import Dropping
from .fill import Fill


@dataclass(frozen=True)
class Drop:
    """The same as the whole pass with attention to these patches at −∞, at the price of the rest. For plain timm ViTs.

    At least one patch must be left: where all are hidden, the first stays. `pictures` paints the gaps grey, for people only.
    """

    exact: ClassVar[bool] = False

    def outputs(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K, B, rows, cols) → (K · B, classes)."""
        if tuple(hidden.shape[2:]) != scene.grid.shape:
            raise ValueError(
                f"what is hidden has {tuple(hidden.shape[2:])} cells, but {scene.grid.shape} patches can be dropped: "
                "judge by patches, or fill pixels instead"
            )
        flat = hidden.flatten(2).clone()
        flat[..., 0] &= ~flat.all(-1)
        return Dropping(scene).outputs(flat)

    def pictures(self, scene: Scene, hidden: Tensor) -> Tensor:
        """(K · B, 3, H, W), the places that are left out in grey."""
        return Fill().pictures(scene, hidden)
