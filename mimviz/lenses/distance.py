"""An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale. Dosovitskiy, Beyer, Kolesnikov et al. ICLR 2021. arXiv 2010.11929.

Mean attention distance (appendix D.7): like the size of a receptive field, for attention.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Grid, Heatmap
from ..vit import Scene
from ._tokens import heat, layer_number, of_head, seen


@dataclass(frozen=True)
class MeanAttentionDistance:
    """(B, rows, cols): how far each patch looks, in pixels of the picture: the distance between centres of patches, weighted by attention.

    Only attention between patches counts, made to sum to 1 again. layer: 0 is the first, -1 the last. head: a number, or None for
    the mean of all.
    """  # noqa: E501

    layer: int = -1
    head: int | None = None

    def __call__(self, scene: Scene) -> Heatmap:
        reach = self._reach(scene, layer_number(scene, self.layer))
        return heat(scene, of_head(reach, self.head, "mean"), self)

    def by_head(self, scene: Scene) -> Tensor:
        """(B, layers, heads): the mean over all patches."""
        return torch.stack([self._reach(scene, layer).mean(-1) for layer in range(len(scene.trace.layers))], 1)

    def _reach(self, scene: Scene, layer: int) -> Tensor:
        """(B, heads, N): for every patch."""
        apart = distances(scene.grid).to(scene.images.device) * scene.grid.patch  # (N, N)
        return (among_patches(scene, scene.trace.attention[layer]) * apart).sum(-1)


def distances(grid: Grid) -> Tensor:
    """(N, N): from the centre of each patch to that of each other, in patches."""
    rows, cols = torch.arange(grid.rows), torch.arange(grid.cols)
    at = torch.cartesian_prod(rows, cols).float()  # (N, 2)
    return torch.cdist(at, at)


def among_patches(scene: Scene, attention: Tensor) -> Tensor:
    """(B, heads, prefix + N, prefix + N) → (B, heads, N, N), rows summing to 1; rows that give patches nothing stay 0."""
    N = scene.grid.count
    if attention.shape[-1] not in (N, N + scene.prefix) or attention.shape[-2] != attention.shape[-1]:
        raise ValueError(
            f"this layer's map is {attention.shape[-2]} x {attention.shape[-1]}, but the picture has {N} patches: "
            f"{scene.anatomy.family} looks through windows or merges tokens there; ask for a layer that sees the whole grid"
        )
    patches = seen(scene, attention[..., -N:, -N:].float())
    mass = patches.sum(-1, keepdim=True)
    return patches / torch.where(mass > 0, mass, 1.0)
