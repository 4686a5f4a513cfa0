"""Learning by Reconstruction Produces Uninformative Features For Perception. Balestriero, LeCun. ICML 2024. arXiv 2402.11337.

What a linear autoencoder learns of noisy pictures, in closed form, and how much of it tells the classes apart. With A = E[x x̃ᵀ] and
B = E[x̃ x̃ᵀ] the best guess is A B⁻¹ x̃, and the best code of k numbers reads the k strongest v of AᵀA v = λ B v. Gaussian noise only
weakens the axes of the pictures and keeps their order; masking makes other ones. Read beside the authors' code
(RandallBalestriero/LearningByReconstruction: `generalized_solution`, `alignment.py`), which hides each patch by itself, as `Masked`
does; `Drawn` takes the moments of any of the words of `grammar.where`. Hidden pixels show the mean picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ._noises import Gaussian, Moments
from ._rows import moments, rows_of

NONE = Gaussian(0)
SMALLEST = 1e-10  # of the largest eigenvalue: below it a direction counts as never seen


@dataclass(frozen=True, eq=False)
class Denoiser:
    """The best linear autoencoder for codes of every size: the first k rows of `encoder` and `decoder` (K, D) are that of size k.

    recovered (K,): share of the variance that each number of the code wins back, the largest first. Codes of noisy pictures have
    variance 1 and are not correlated. shape: (3, H, W) of a picture; mean (D,).
    """

    encoder: Tensor
    decoder: Tensor
    recovered: Tensor
    mean: Tensor
    shape: tuple[int, int, int]
    noise: Callable[[Tensor], Moments]

    def codes(self, images: Tensor, k: int | None = None) -> Tensor:
        """(N, k): what the encoder makes of pictures, as they are."""
        return (rows_of(images) - self.mean) @ self.encoder[:k].T

    def denoised(self, images: Tensor, k: int | None = None) -> Tensor:
        """(N, 3, H, W), double: the guess from a code of k numbers."""
        return (self.codes(images, k) @ self.decoder[:k] + self.mean).unflatten(1, self.shape)

    def matrix(self, k: int | None = None) -> Tensor:
        """(D, D): W of guess − mean = W (x̃ − mean)."""
        return self.decoder[:k].T @ self.encoder[:k]


def denoiser(images: Tensor, noise: Callable[[Tensor], Moments] = NONE) -> Denoiser:
    """images: uint8 (N, 3, H, W), or float. Some seconds for pictures of 32 × 32 (D = 3072): the time grows with D³."""
    mean, C = moments(rows_of(images))
    A, B = noise(C)
    sizes, axes = torch.linalg.eigh(B)
    seen = sizes > SMALLEST * sizes[-1]
    root = axes[:, seen] / sizes[seen].sqrt()  # (D, K): rootᵀ B root = 1
    strengths, turned = torch.linalg.eigh((A @ root).T @ (A @ root))
    encoder = (root @ turned.flip(1)).T
    recovered = strengths.flip(0).clamp_min(0) / C.trace()
    shape: tuple = tuple(images.shape[1:])
    return Denoiser(encoder, encoder @ A.T, recovered, mean, shape, noise)


@dataclass(frozen=True, eq=False)
class Alignment:
    """For codes of 1..K numbers, rising to 1. `values` (K,), the authors' measure: ‖Y Yᵀ Q_k‖ / ‖Y Yᵀ Q_K‖, Q_k an orthonormal
    basis of the codes of the pictures, Y their classes. `overlap` (K,): the mean squared cosine between the codes and the scores
    that least squares gives the classes from all pixels."""

    values: Tensor
    overlap: Tensor


def alignment(learnt: Denoiser, images: Tensor, labels: Tensor) -> Alignment:
    """How far a code of k numbers, learnt by denoising alone, holds what tells the classes (N,) apart."""
    codes, classes = learnt.codes(images), labels.unique(return_inverse=True)[1]
    if len(codes) != len(labels) or int(classes.max()) < 1:
        raise ValueError(
            f"{len(codes)} pictures have {len(labels)} labels, but one each, of at least two classes, is wanted"
        )
    Q = torch.linalg.qr(codes - codes.mean(0))[0][:, : min(len(codes) - 1, codes.shape[1])]  # (N, K)
    Y = torch.nn.functional.one_hot(classes).double()
    told = Y.T @ Q  # (classes, K)
    strength = (Y @ told).square().sum(0).cumsum(0).sqrt()
    _, sizes, turned = torch.linalg.svd(told, full_matrices=False)
    scores = turned[sizes > 1e-9 * sizes[0]]  # (classes − 1, K): an orthonormal basis of the scores, in terms of Q
    return Alignment(strength / strength[-1], scores.square().sum(0).cumsum(0) / len(scores))
