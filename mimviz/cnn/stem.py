"""Convolutions before a ViT's blocks that keep what is hidden to itself (ConvMAE, Gao et al., NeurIPS 2022, arXiv 2205.03892)."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..core import Grid
from .sparse import enlarged


class ConvStem(nn.Module):
    """Pictures (B, 3, H, W) → tokens (B, N, width), in the place of a ViT's patch embedding: two stages of convolutions.

    Cells are a quarter of a patch wide in the first stage and half a patch in the second. `visible` (B, rows, cols), patches, is
    enlarged to both: before every convolution that looks around itself hidden cells become 0, so that no visible cell sees them.
    """

    def __init__(self, grid: Grid, width: int, *, widths: tuple[int, int], depths: tuple[int, int] = (2, 2)):
        super().__init__()
        if grid.patch % 4:
            raise ValueError(
                f"patches are {grid.patch} pixels wide, but two stages of convolutions want a multiple of 4"
            )
        self.grid_size, self.num_patches = grid.shape, grid.count
        self.img_size, self.patch_size = (grid.height, grid.width), (grid.patch, grid.patch)
        self.entries = nn.ModuleList(
            [_Entry(3, widths[0], grid.patch // 4), _Entry(widths[0], widths[1], 2), _Entry(widths[1], width, 2)]
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(MaskedConv(dim) for _ in range(depth)) for dim, depth in zip(widths, depths, strict=True)
        )
        self.proj = nn.Linear(width, width)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N W"]:
        return self.staged(images)[0]

    def staged(self, images: Tensor, visible: Bool[Tensor, "B rows cols"] | None = None) -> tuple[Tensor, list[Tensor]]:
        """Tokens (B, N, width) and the maps (B, C, rows, cols) of both stages; right where visible, elsewhere of no use."""
        x, maps = images, []
        for entry, blocks in zip(self.entries, self.stages, strict=False):
            x = entry(x)
            for block in blocks:  # type: ignore[union-attr]
                x = block(x, visible)
            maps.append(x)
        return self.proj(self.entries[-1](x).flatten(2).transpose(1, 2)), maps


class MaskedConv(nn.Module):
    """x + PW(DW₅ₓ₅(mask ⊙ PW(norm x))), then x + MLP(norm x) cell by cell."""

    def __init__(self, dim: int, *, ratio: int = 4):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.enter, self.leave = nn.Conv2d(dim, dim, 1), nn.Conv2d(dim, dim, 1)
        self.around = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.mlp = nn.Sequential(nn.Conv2d(dim, dim * ratio, 1), nn.GELU(), nn.Conv2d(dim * ratio, dim, 1))

    def forward(self, x: Float[Tensor, "B C R S"], visible: Tensor | None = None) -> Float[Tensor, "B C R S"]:
        inner = self.enter(_normed(self.norm1, x))
        if visible is not None:
            inner = inner.masked_fill(~enlarged(visible, x), 0)
        x = x + self.leave(self.around(inner))
        return x + self.mlp(_normed(self.norm2, x))


class _Entry(nn.Module):
    """Non-overlapping cells: convolution, norm, GELU."""

    def __init__(self, channels: int, dim: int, cell: int):
        super().__init__()
        self.proj, self.norm, self.act = nn.Conv2d(channels, dim, cell, cell), nn.LayerNorm(dim), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(_normed(self.norm, self.proj(x)))


def _normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
