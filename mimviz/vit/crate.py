"""White-box layers: each step of a CRATE is a step of an optimization (Yu et al., NeurIPS 2023, arXiv 2306.01129; its masked
autoencoder, Pai et al., ICLR 2024, arXiv 2404.02446). Named and initialized as in Ma-Lab-Berkeley/CRATE, model/crate_ae.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from .encoder import Encoder

Tokens = Float[Tensor, "B N C"]


class MSSA(nn.Module):
    """Subspace attention, a step of compression: one projection Uₖ for each head serves as query, key and value alike."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}, which {heads} heads do not divide")
        self.num_heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)

    def heads(self, x: Tokens) -> Float[Tensor, "B H N D"]:
        """Uₖᵀ x of every head k."""
        return self.qkv(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, x: Tokens, attn_mask: Tensor | None = None) -> Tokens:
        w = self.heads(x)
        mixed = F.scaled_dot_product_attention(w, w, w, attn_mask=attn_mask, scale=self.scale)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class ISTA(nn.Module):
    """A step of sparsification: x → relu(x + η Dᵀ(x − D x) − η λ), towards a code of few positive numbers."""

    def __init__(self, width: int, *, step: float = 0.1, penalty: float = 0.5):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width))
        nn.init.kaiming_uniform_(self.weight)
        self.step, self.penalty = step, penalty

    def forward(self, x: Tokens) -> Tokens:
        residual = x - F.linear(x, self.weight)  # x − D x
        return F.relu(x + self.step * F.linear(residual, self.weight.T) - self.step * self.penalty)


class Compressing(nn.Module):
    """A layer of the encoder: z ← z + MSSA(norm z), then ISTA(norm z)."""

    def __init__(self, width: int, heads: int, *, step: float = 0.1, penalty: float = 0.5):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), MSSA(width, heads)
        self.norm2, self.ista = nn.LayerNorm(width), ISTA(width, step=step, penalty=penalty)

    def forward(self, x: Tokens, attn_mask: Tensor | None = None) -> Tokens:
        return self.ista(self.norm2(self.halfway(x, attn_mask)))

    def halfway(self, x: Tokens, attn_mask: Tensor | None = None) -> Tokens:
        """What the compression makes, before the sparsification."""
        return x + self.attn(self.norm1(x), attn_mask=attn_mask)


class Expanding(nn.Module):
    """A layer of the decoder, the other way round: y ← D norm y, then y − MSSA(norm y)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.dictionary = nn.LayerNorm(width), nn.Linear(width, width, bias=False)
        self.norm2, self.attn = nn.LayerNorm(width), MSSA(width, heads)

    def forward(self, x: Tokens) -> Tokens:
        x = self.dictionary(self.norm1(x))
        return x - self.attn(self.norm2(x))


def initialize(module: nn.Module) -> None:
    """Matrices by Xavier's rule, as MAE does it; dictionaries of ISTA steps stay as they are."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def coding_rate(heads: Float[Tensor, "B H N D"], *, eps: float = 0.01) -> Float[Tensor, " B"]:
    """R^c = ½ Σₖ log det(I + d / (N ε) · Wₖ Wₖᵀ) in nats, of what each head k sees of N tokens, W (N, d), rows of length 1.

    How many nats it takes to write all tokens down within the heads' subspaces; low where tokens lie in few directions
    (vis_utils/coding_rate.py, whose mean over the heads is a sum here).
    """
    w = F.normalize(heads.double(), dim=-1)
    gram = w.transpose(-1, -2) @ w  # (B, H, d, d): the same determinant as N × N
    eye = torch.eye(w.shape[-1], dtype=w.dtype, device=w.device)
    return torch.logdet(eye + w.shape[-1] / (w.shape[-2] * eps) * gram).sum(-1) / 2


@torch.no_grad()
def layers(encoder: Encoder, images: Float[Tensor, "B 3 H W"]) -> list[tuple[float, float]]:
    """What each white-box layer does to whole pictures: (R^c in nats behind its compression, share of zeros that it puts out)."""
    through: Any = encoder.through
    x, found = through.sequence(encoder.vit, encoder.embed(images), None), []
    for block in encoder.vit.blocks:
        rate = coding_rate(block.attn.heads(block.halfway(x))).mean()
        x = block(x)
        found.append((float(rate), float((x == 0).float().mean())))
    return found
