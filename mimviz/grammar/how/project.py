"""Project: hide a random subspace instead of patches (ROPIM, Haghighat et al., ICLR 2024, section 3, arXiv 2310.18737)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from ...core import Mask


@dataclass(frozen=True)
class Project:
    """how(content, mask): content (B, N, C) → P · content, every patch encoded.

    matrix: the projections P (B, N, N), e.g. of `sketch`. Without one, P keeps what is visible: a binary mask is the projection
    onto some coordinates, and hidden rows are zero.
    """

    def __call__(
        self, content: Float[Tensor, "B N C"], mask: Mask, matrix: Float[Tensor, "B N N"] | None = None
    ) -> tuple[Float[Tensor, "B N C"], None]:
        if matrix is None:
            return content.masked_fill(mask.hidden[..., None], 0), None
        return matrix.to(content) @ content, None


def sketch(
    batch: int, patches: int, *, ratio: float, generator: Generator | None = None
) -> Float[Tensor, "{batch} {patches} {patches}"]:
    """Projections Sᵀ S of a count sketch of ⌈ratio · patches⌉ buckets, of that rank.

    Every patch falls into one bucket with a random sign, buckets are equally full but for one; P mixes the patches of a bucket:
    P[i, j] = signᵢ · signⱼ / (patches in the bucket).
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio is {ratio}, but a share above 0 and up to 1 is wanted: the rank, of all patches")
    buckets = math.ceil(ratio * patches - 1e-9)
    into = torch.rand(batch, patches, generator=generator).argsort(1).argsort(1) % buckets
    signs = 2.0 * torch.randint(2, (batch, patches), generator=generator) - 1
    together = into[:, :, None] == into[:, None]
    return together * signs[:, :, None] * signs[:, None] / together.sum(-1, keepdim=True)
