"""Dynamic alignment: which layers of the student speak to which of the teacher (MaskAlign, Xue et al., CVPR 2023, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask


class Alignment(nn.Module):
    """decoder(layers, mask): what each of the student's blocks puts out, (B, prefix + K, width) each → (B, K, targets · out).

    Guess j is a linear layer of its own on Σₗ weights[j, l] · layers[l]; `weights` (targets, layers) are learned. They begin, as
    the authors' do, with 1 at the same block where the teacher has as many blocks as the student, and 0.01 besides; else even.
    """

    def __init__(self, width: int, out: int, *, prefix: int, layers: int, targets: int, blocks: int | None = None):
        """blocks: of the teacher, whose last `targets` these are."""
        super().__init__()
        self.prefix = prefix
        same = torch.eye(layers)[-targets:] + 0.01
        self.weights = nn.Parameter(same if blocks == layers else torch.full((targets, layers), 1 / layers))
        self.heads = nn.ModuleList(nn.Linear(width, out) for _ in range(targets))

    def forward(self, layers: Sequence[Tensor], mask: Mask) -> Float[Tensor, "B K D"]:
        return self.rows(layers)[:, self.prefix :]

    def rows(self, layers: Sequence[Tensor]) -> Float[Tensor, "B T D"]:
        """The same for every token that is there."""
        mixed = torch.einsum("jl,lbtc->jbtc", self.weights, torch.stack(list(layers)))
        return torch.cat([head(each) for head, each in zip(self.heads, mixed, strict=True)], dim=-1)
