"""Teaching Matters: Investigating the Role of Supervision in Vision Transformers. Walmer, Suri, Gupta, Shrivastava. CVPR 2023. arXiv 2212.03862.

What each head does with place (section 4): the mean of its rows, each moved so that its own patch lies in the middle, shows offset
local heads, which attend to one neighbour always. Seen in mwalmer-umd/vit_analysis: patches alone, rows made to sum to 1, centroid
and offset on a canvas from -1 to 1, distances on the unit square. (Their attention to the class token reads column 1, the first
patch; here it is the class token's.)
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Grid, Heatmap
from ..vit import Scene
from .distance import among_patches


@dataclass(frozen=True, eq=False)
class HeadOffsets:
    """What the heads do, each (layers, heads, …), averaged over pictures.

    `aligned` (…, 2 · rows − 1, 2 · cols − 1): attention by displacement of the key, from the middle, sums to 1. `centroid` (…, 2):
    its centre of mass (x, y), -1 … 1, right and down positive; `offset`: how far that is from the middle. `distance`: mean distance
    on the unit square. `to_class`: attention of patches to the class token. `received` (…, N): what each patch gets from all.
    `over_heads` (layers,) and `over_queries`: the standard deviation of attention over heads, and over queries.
    """

    aligned: Tensor
    centroid: Tensor
    offset: Tensor
    distance: Tensor
    to_class: Tensor
    received: Tensor
    over_heads: Tensor
    over_queries: Tensor
    by: OffsetHeads

    @property
    def local(self) -> Tensor:
        """(layers, heads) boolean: offset local heads, whose centre lies off the middle by one step at least, but near."""
        step = self.by.step(self.aligned.shape[-2:])
        return (self.offset >= self.by.least * step) & (self.offset <= self.by.most * step)

    def heatmap(self, layer: int, head: int) -> Heatmap:
        """The aligned map of one head, (1, 2 · rows − 1, 2 · cols − 1)."""
        return Heatmap(self.aligned[layer, head][None], by=self.by)


@dataclass(frozen=True)
class OffsetHeads:
    """Place statistics of all heads.

    least, most: how far in patches the mean centre of an offset local head lies from its query (mimviz's limits; a head that looks
    one patch to the right, where there is one, and at all alike at the right border of a 4 x 4 grid, has 0.375).
    """

    least: float = 0.25
    most: float = 2.0

    def __call__(self, scene: Scene) -> HeadOffsets:
        found = [self._layer(scene, maps) for maps in scene.trace.attention]
        return HeadOffsets(*(torch.stack(each) for each in zip(*found, strict=True)), by=self)

    def step(self, canvas: tuple[int, int] | torch.Size) -> float:
        """One patch on a canvas from -1 to 1."""
        return 2 / max(max(canvas) - 1, 1)

    def _layer(self, scene: Scene, maps: Tensor) -> tuple[Tensor, ...]:
        patches = among_patches(scene, maps)  # (B, heads, N, N)
        canvas = aligned(patches, scene.grid)
        centre = centroid(canvas)
        apart = _unit_distances(scene.grid).to(patches.device)
        to_class = maps[..., -scene.grid.count :, :1].float() if scene.anatomy.class_tokens else patches.new_zeros(1)
        many = patches.shape[1] > 1
        return (
            canvas, centre, centre.norm(dim=-1), (patches * apart).sum(-1).mean((0, 2)),
            to_class.expand(*patches.shape[:3], 1).mean((0, 2, 3)), patches.mean((0, 2)),
            patches.std(1).mean() if many else patches.new_zeros(()), patches.std(2).mean((0, 2)),
        )  # fmt: skip


def aligned(attention: Tensor, grid: Grid) -> Tensor:
    """(B, heads, N, N) → (heads, 2 · rows − 1, 2 · cols − 1): the mean over pictures and queries, by displacement of the key."""
    rows, cols = grid.shape
    at = torch.cartesian_prod(torch.arange(rows), torch.arange(cols)).to(attention.device)
    moved = at[None] - at[:, None] + torch.tensor([rows - 1, cols - 1], device=at.device)  # (query, key, 2)
    cells = (moved[..., 0] * (2 * cols - 1) + moved[..., 1]).flatten()
    mean = attention.mean(0).flatten(1)  # (heads, N · N)
    canvas = mean.new_zeros(len(mean), (2 * rows - 1) * (2 * cols - 1)).index_add_(1, cells, mean)
    return (canvas / grid.count).unflatten(1, (2 * rows - 1, 2 * cols - 1))


def centroid(canvas: Tensor) -> Tensor:
    """(…, H, W) → (…, 2): the centre of mass as (x, y), -1 … 1; (0, 0) where there is no mass."""
    height, width = canvas.shape[-2:]
    mass = canvas.sum((-2, -1))
    share = canvas / torch.where(mass > 0, mass, 1.0)[..., None, None]
    x = (share.sum(-2) * torch.linspace(-1, 1, width, device=canvas.device)).sum(-1)
    y = (share.sum(-1) * torch.linspace(-1, 1, height, device=canvas.device)).sum(-1)
    return torch.stack([x, y], -1)


def _unit_distances(grid: Grid) -> Tensor:
    """(N, N): between patches whose centres fill the unit square."""
    at = torch.cartesian_prod(torch.arange(grid.rows), torch.arange(grid.cols)).float()
    at = at / torch.tensor([max(grid.rows - 1, 1), max(grid.cols - 1, 1)])
    return torch.cdist(at, at)
