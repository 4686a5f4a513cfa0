"""Clusters: to which cluster a teacher's patch belongs, learnt online and balanced (CAPI, Darcet et al., arXiv 2502.08769)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...core import Mask
from ..losses import cross_entropy
from ..sinkhorn import balanced
from ..teacher import EMA
from .features import colours

Balance = Literal["position", "batch", "none"]


class Clusters(nn.Module):
    """target(images, mask) → chances (B, N, count): how much each patch, as a slow copy sees the whole picture, is of each cluster.

    Directions of patches through one linear layer are scores; exp(score / temperature) is scaled, in turns, to equal columns and to
    rows that sum to 1 (Sinkhorn and Knopp), so that no cluster gets all: among the patches of one place in a batch ("position",
    which wants large batches), or of all places ("batch"). Outside training, where pictures come alone, and with "none", it is
    softmax. The layer has a loss of its own, to say those chances itself at temperature `prediction`. `teacher` lives in the model.
    """

    def __init__(
        self, teacher: EMA, count: int, *, temperature: float = 0.06, prediction: float = 0.12, rounds: int = 3,
        balance: str = "position",
    ):  # fmt: skip
        super().__init__()
        if balance not in get_args(Balance):
            raise ValueError(f"balance is {balance!r}, but 'position', 'batch' or 'none' is wanted")
        self._teacher = (teacher,)
        self.count, self.temperature, self.prediction, self.rounds = count, temperature, prediction, rounds
        self.balance = balance
        self.layer = nn.Linear(teacher.width, count)
        nn.init.normal_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def both(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B N K"], Float[Tensor, ""]]:
        """The chances, without a gradient, and the layer's own loss, with one for the layer alone."""
        scores = self.scores(images)
        chances = self.chances(scores.detach())
        return chances, cross_entropy(scores / self.prediction, chances).mean()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Float[Tensor, "B N K"]:
        return self.chances(self.scores(images))

    @torch.no_grad()
    def ids(self, images: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B N"]:
        """The cluster of the highest score, 0..count − 1."""
        return self.scores(images).argmax(-1)

    def scores(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N K"]:
        return self.layer(F.normalize(self._teacher[0].features(images), dim=-1))

    def chances(self, scores: Float[Tensor, "B N K"]) -> Float[Tensor, "B N K"]:
        logs = scores.float() / self.temperature
        if self.balance == "none" or not self.training:
            return logs.softmax(-1)
        if self.balance == "position":
            return balanced(logs.transpose(0, 1), rounds=self.rounds).transpose(0, 1)
        return balanced(logs.flatten(0, 1), rounds=self.rounds).unflatten(0, scores.shape[:2])

    def draw(self, rows: Float[Tensor, "B N K"], *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Clusters of like direction in like colours, three principal components of the layer's weights."""
        return colours(self.layer.weight[None])[0][rows.argmax(-1)].unflatten(1, self._teacher[0].grid.shape)
