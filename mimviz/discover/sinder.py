"""SINDER: Repairing the Singular Defects of DINOv2. Wang, Zhang, Salzmann. ECCV 2024. arXiv 2407.16826.

High-norm tokens point where the weights themselves lead: along the leading left singular vector of the product of the
linearised blocks. `mimviz.discover.Repair` mends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..core import Heatmap
from ..vit import Scene, anatomy
from ._linearised import block_matrix


@dataclass(frozen=True)
class DefectDirections:
    """For every block l, (C,) of length 1: the first left singular vector of Πₖ≤ₗ A_mlp A_attn, signed so that Σ u³ > 0.

    Of the model alone, no picture is needed. TypeError for blocks that are no matrix (norms inside, gates, conv nets).
    """

    def __call__(self, model: nn.Module) -> list[Tensor]:
        parts = anatomy(model)
        if parts.reach != "global" or len(parts.stages) > 1:
            raise TypeError(f"{parts.family} has windows or stages: its blocks cannot be multiplied through")
        product, found = None, []
        for name in parts.blocks:
            step = block_matrix(model.get_submodule(name), name).double()
            product = step if product is None else step @ product
            product = product / product.norm()  # a direction keeps no length, and 40 blocks would overflow
            found.append(leading(product))
        return found


@dataclass(frozen=True)
class Defects:
    """(B, rows, cols), 0..1: |cos| of every patch behind block `layer` to that block's defect direction."""

    layer: int = -1

    def __call__(self, scene: Scene) -> Heatmap:
        direction = DefectDirections()(scene.subject.vit)[self.layer]
        return Heatmap(score(scene.trace.maps(self.layer), direction), by=self)


def score(maps: Tensor, direction: Tensor) -> Tensor:
    """maps (B, C, rows, cols), direction (C,) → |cos| (B, rows, cols)."""
    unit = normalize(maps.float(), dim=1)
    return torch.einsum("bcrs,c->brs", unit, direction.to(unit)).abs().clamp_max(1.0)


def leading(matrix: Tensor) -> Tensor:
    """(C, C) → the first left singular vector (C,), float32."""
    u = torch.linalg.svd(matrix)[0][:, 0]
    return (u * (-1.0 if (u**3).sum() < 0 else 1.0)).float()
