"""Visualizing and Understanding Convolutional Networks. Zeiler, Fergus. ECCV 2014. arXiv 1311.2901.

Occlusion (section 4.2): a window is covered wherever it fits, and the fall of the score is shared by the pixels under it; where
windows overlap, the mean. `remove="drop"` leaves the covered patches out of a ViT's sequence instead of painting them: the same
as attention that is −∞ at them, and fewer tokens to compute. A window that is painted over is, where the model embeds patch by
patch, embedded once, and takes the place of what was embedded there, which is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.dropping import Dropping, Remove
from ..vit.first_layer import first_layer
from ._pixels import Baseline, blank
from ._probing import Partial, Probe, last, scores


@dataclass(frozen=True)
class Occlusion:
    """Signed: by how much the target's score falls when the window over a place is covered.

    window, stride: in patches of the model's grid; with both 1 and "drop" each patch is left out once. remove: "fill" paints
    `baseline`, for any model; "drop" leaves tokens out, for a plain ViT. (B, rows, cols): one number for each patch.
    """

    window: int = 1
    stride: int = 1
    remove: Remove = "fill"
    baseline: Baseline = "mean"
    batch: int | None = field(default=None, compare=False, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return len(self.windows(scene))

    def windows(self, scene: Scene) -> Tensor:
        """(P, rows, cols) boolean, row by row: what each pass covers. The last of a row or column may reach over the edge."""
        rows, cols = scene.grid.shape
        if not 1 <= self.stride <= self.window <= min(rows, cols):
            raise ValueError(
                f"window={self.window}, stride={self.stride}, but 1 ≤ stride ≤ window ≤ {min(rows, cols)} patches is wanted, "
                "or some patches would never be covered"
            )
        y, x = (_starts(size, self.window, self.stride, device=scene.images.device) for size in (rows, cols))
        return (y[:, None, :, None] & x[None, :, None, :]).flatten(0, 1)

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The map with the windows so far; 0 where none was."""
        windows, images = self.windows(scene), scene.images
        whole = scores(scene, images)[0]  # (B,)
        probe = Probe(scene, len(windows), batch=self.batch)
        hide = Dropping(scene) if self.remove == "drop" else None
        first = first_layer(scene, patchwise=True)
        filled, images = first.rows(blank(scene, self.baseline)), first.rows(images)  # (B, C, h, w)
        y, x = _patches(scene, *images.shape[-2:])

        def ask(i: int, j: int) -> Tensor:
            if hide is not None:
                return whole - hide.scores(windows[i:j])
            over = windows[i:j, y][:, :, x]  # (K, h, w)
            covered = torch.where(over[:, None, None], filled, images).flatten(0, 1)
            return whole - scores(scene, covered, first=first)  # (K, B)

        sums = scene.images.new_zeros(len(scene), *scene.grid.shape)
        for i, j, falls in probe(ask):
            sums = sums + torch.einsum("kb,kyx->byx", falls.to(sums), windows[i:j].to(sums))
            count = windows[:j].sum(0).clamp_min(1)
            yield probe.partial((sums / count).float(), self, signed=True)


def _patches(scene: Scene, h: int, w: int) -> tuple[Tensor, Tensor]:
    """(h,), (w,): the row and column of the grid that rows and columns of pixels, or of the first layer, lie in."""
    height, width = scene.images.shape[-2:]
    y, x = (torch.arange(size, device=scene.images.device) for size in (h, w))
    return y * (height // h) // scene.grid.patch, x * (width // w) // scene.grid.patch


def _starts(size: int, window: int, stride: int, *, device: torch.device) -> Tensor:
    """(S, size) boolean: the windows along one axis."""
    at = torch.arange(size, device=device)
    first = torch.arange(0, max(size - window, 0) + stride, stride, device=device)[:, None]
    return (at >= first) & (at < first + window)
