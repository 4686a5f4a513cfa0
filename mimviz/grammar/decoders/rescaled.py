"""Small decoders at several depths of the encoder, each on a scale of its own (LocalMIM, Wang et al., CVPR 2023, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from ...core import Grid, Mask
from .transformer import Transformer, _norm


class Rescaled(Transformer):
    """decoder(seen, mask): a transformer whose map is made `times` as fine → (B, N, cells² · out), or (B, N / k², out) for 1/k.

    4: two doublings by transposed convolution, halving the width each; 2: one; 1: none; 1/2: a mean over 2 × 2 patches.
    """

    def __init__(
        self,
        width: int,
        out: int,
        grid: Grid,
        *,
        times: float,
        prefix: int,
        dim: int = 256,
        depth: int = 1,
        heads: int = 8,
    ):
        super().__init__(width, out, grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
        up: Any = {"kernel_size": 2, "stride": 2}
        layers: dict[float, list[nn.Module]] = {
            4: [
                nn.ConvTranspose2d(dim, dim // 2, **up),
                LayerNorm2d(dim // 2),
                nn.GELU(),
                nn.ConvTranspose2d(dim // 2, dim // 4, **up),
            ],
            2: [nn.ConvTranspose2d(dim, dim // 2, **up)],
            1: [],
            0.5: [nn.AvgPool2d(2)],
        }
        if times not in layers:
            raise ValueError(f"times is {times}, but 4, 2, 1 or 0.5 is wanted")
        hidden = int(dim // max(times, 1))
        self.head = nn.Sequential(*layers[times], nn.Conv2d(hidden, out, 1))  # type: ignore[assignment]
        cells, k = max(int(times), 1), round(1 / min(times, 1))
        self.cells = Grid(grid.rows // k, grid.cols // k, cells)

    def forward(self, seen: Float[Tensor, "B K C"], mask: Mask) -> Float[Tensor, "B N D"]:
        x = self.norm(self.blocks(self.placed(seen, mask)))[:, self.prefix :]
        return self.cells.patchify(self.head(x.transpose(1, 2).unflatten(2, self.grid.shape)))


class Locals(nn.Module):
    """decoder(layers, mask): for each layer's tokens (B, prefix + K, width) the guess of its own decoder behind its own norm."""

    def __init__(self, width: int, out: int, grid: Grid, times: Sequence[float], **options: Any):
        super().__init__()
        self.decoders = nn.ModuleList(Rescaled(width, out, grid, times=each, **options) for each in times)
        self.norms = nn.ModuleList(_norm(width) for _ in times)

    def forward(self, layers: Sequence[Tensor], mask: Mask) -> list[Tensor]:
        return [decode(norm(x), mask) for decode, norm, x in zip(self.decoders, self.norms, layers, strict=True)]
