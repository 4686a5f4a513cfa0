"""Region maps completed as an unordered set, each from what is visible of it and from pixels (R-MAE, section 3.2)."""

from __future__ import annotations

from jaxtyping import Float
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...core import Grid, Mask
from ...vit import sincos
from .transformer import Transformer, _init, _norm


class RegionDecoder(nn.Module):
    """decoder(regions, seen, mask): maps (B, R, N, patch²) and the pixel encoder's tokens → logits of the maps, the same shape.

    A region is the mean of its visible patches behind one block of its own (its query). Queries look at each other, without any
    order, and each is then joined with every place of a small decoder of the pixels.
    """

    def __init__(self, width: int, grid: Grid, *, prefix: int, dim: int = 128, depth: int = 8, heads: int = 8):
        super().__init__()
        out = grid.patch**2
        self.embed = nn.Linear(out, dim)
        self.positions: Tensor
        self.register_buffer("positions", sincos(grid, dim), persistent=False)
        self.encode = Block(dim, heads, qkv_bias=True, norm_layer=_norm)
        self.project = nn.Sequential(_norm(dim), nn.Linear(dim, dim))
        self.norm_among, self.among = _norm(dim), Attention(dim, heads, qkv_bias=True)
        self.pixels = Transformer(width, 1, grid, prefix=prefix, dim=dim, depth=depth, heads=heads)
        self.pixels.head = nn.Linear(dim, dim)
        self.norm, self.mlp = _norm(dim), Mlp(dim, dim)
        self.head = nn.Sequential(nn.GELU(), nn.Linear(dim, out))
        self.apply(_init)

    def forward(
        self, regions: Float[Tensor, "B R N D"], seen: Float[Tensor, "B K C"], mask: Mask
    ) -> Float[Tensor, "B R N D"]:
        queries = self.project(self.queries(regions, mask))  # (B, R, dim)
        queries = queries + self.among(self.norm_among(queries))
        places = self.pixels(seen, mask)  # (B, N, dim)
        return self.head(self.mlp(self.norm(queries[:, :, None] + places[:, None])))

    def queries(self, regions: Float[Tensor, "B R N D"], mask: Mask) -> Float[Tensor, "B R C"]:
        """What is visible of each region, as one vector."""
        x = self.embed(regions - 0.5) + self.positions
        ids = mask.keep_ids[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[-1])
        visible = x.gather(2, ids)  # (B, R, K, dim)
        return self.encode(visible.flatten(0, 1)).mean(1).unflatten(0, visible.shape[:2])
