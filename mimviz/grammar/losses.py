"""Losses: (guess, truth) → a number for every entry, (B, M, D) → the same, or for every row, (B, M, 1). The model takes means."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Rows = Float[Tensor, "B M D"]


def squared(guess: Rows, truth: Rows) -> Rows:
    """(guess − truth)², MAE's loss."""
    return (guess - truth).square()


def absolute(guess: Rows, truth: Rows) -> Rows:
    """|guess − truth|, SimMIM's loss."""
    return (guess - truth).abs()


@dataclass(frozen=True)
class SmoothL1:
    """(guess − truth)² / 2β where they are nearer than β, else |guess − truth| − β/2: data2vec's loss."""

    beta: float = 2.0

    def __call__(self, guess: Rows, truth: Rows) -> Rows:
        return F.smooth_l1_loss(guess, truth, reduction="none", beta=self.beta)


def cosine(guess: Rows, truth: Rows) -> Float[Tensor, "B M 1"]:
    """1 − the cosine of the angle between guess and truth, 0..2."""
    return 1 + negative_cosine(guess, truth)


def negative_cosine(guess: Rows, truth: Rows) -> Float[Tensor, "B M 1"]:
    """−the cosine of the angle between guess and truth, −1 where they agree: EVA's loss."""
    return -F.cosine_similarity(guess, truth, dim=-1)[..., None]


def cross_entropy(guess: Rows, truth: Tensor) -> Float[Tensor, "B M 1"]:
    """−log softmax(guess) of the true code, in nats. truth: whole numbers (B, M, 1), or probabilities (B, M, D)."""
    logs = guess.log_softmax(-1)
    if truth.dtype in (torch.int64, torch.int32):
        return -logs.gather(-1, truth.long())
    return -(truth * logs).sum(-1, keepdim=True)


@dataclass(frozen=True)
class SmoothedCrossEntropy:
    """Cross-entropy to a truth (B, M, 1) of chance 1 − smoothing, the rest spread evenly (Szegedy et al., CVPR 2016)."""

    smoothing: float = 0.1

    def __call__(self, guess: Rows, truth: Tensor) -> Float[Tensor, "B M 1"]:
        spread = -guess.log_softmax(-1).mean(-1, keepdim=True)
        return (1 - self.smoothing) * cross_entropy(guess, truth) + self.smoothing * spread


@dataclass(frozen=True)
class OfScales:
    """Σ weight · mean (guess − truth)² over scales that stand side by side in a row, of so many numbers each: LocalMIM's loss."""

    widths: tuple[int, ...]
    weights: tuple[float, ...]

    def __call__(self, guess: Rows, truth: Rows) -> Float[Tensor, "B M 1"]:
        return (self.parts(guess, truth) * guess.new_tensor(self.weights)).sum(-1, keepdim=True)

    def parts(self, guess: Rows, truth: Rows) -> Float[Tensor, "B M S"]:
        """(B, M, scales): each without its weight."""
        return torch.stack([each.mean(-1) for each in (guess - truth).square().split(self.widths, dim=-1)], -1)


@dataclass(frozen=True)
class PatchContrast:
    """−log of the share of its own truth among those of all patches of its picture, by exp(cosine / τ); times 2 τ.

    Guesses are first standardized over the patches of a picture, channel by channel, unless `standardize` is off, so that what all
    patches share counts for nothing: Latent MIM's loss (Wei et al., ECCV 2024, section 3.2, "patch discrimination").
    """

    tau: float = 0.2
    standardize: bool = True

    def __call__(self, guess: Rows, truth: Rows) -> Float[Tensor, "B M 1"]:
        if self.standardize and guess.shape[1] > 1:  # one row has no spread
            guess = (guess - guess.mean(1, keepdim=True)) / (guess.std(1, keepdim=True) + 1e-4)
        logs = (self.cosines(guess, truth) / self.tau).log_softmax(-1)  # (B, M, M)
        return -2 * self.tau * logs.diagonal(dim1=1, dim2=2)[..., None]

    @staticmethod
    def cosines(a: Rows, b: Rows) -> Float[Tensor, "B M M"]:
        """Of every row of `a` with every row of `b`, picture by picture."""
        return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2)
