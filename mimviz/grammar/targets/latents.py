"""Latents: what an encoder and its projection make of the hidden patches by themselves (Latent MIM, Wei et al., ECCV 2024)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...core import Mask
from ...vit import Encoder
from ...vit.encoders.passes import rows
from ..teacher import EMA
from .features import colours

Branch = Literal["slow", "stopped", "direct"]


@dataclass(frozen=True)
class Latents:
    """target(images, mask) → (B, M, width) for the hidden patches, `mask.hidden_ids`; what is visible is left out, unless `whole`.

    branch: "slow" asks the teacher, a slow copy of encoder and projection; "stopped" these themselves, without a gradient; "direct"
    with one. All of them live in the masked model.
    """

    teacher: EMA = field(repr=False)
    encoder: Encoder = field(repr=False)
    project: nn.Module = field(repr=False)
    branch: Branch = "slow"
    whole: bool = False

    def __post_init__(self):
        if self.branch not in get_args(Branch):
            raise ValueError(
                f"branch is {self.branch!r}, but one of {', '.join(map(repr, get_args(Branch)))} is wanted"
            )

    def __call__(self, images: Float[Tensor, "B 3 H W"], mask: Mask) -> Float[Tensor, "B M D"]:
        encoder, project = self.encoder, self.project
        if self.branch == "slow":
            encoder, project = self.teacher.encoder, self.teacher.others[0]
        with torch.set_grad_enabled(self.branch == "direct" and torch.is_grad_enabled()):
            content, where = encoder.embed(images), mask.hidden_ids
            if not self.whole:
                return project(encoder(rows(content, where), where))[:, encoder.prefix :]
            return rows(project(encoder(content))[:, encoder.prefix :], where)

    def draw(self, latents: Float[Tensor, "B N D"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Three principal components as colours."""
        return colours(latents, like).unflatten(1, self.encoder.grid.shape)
