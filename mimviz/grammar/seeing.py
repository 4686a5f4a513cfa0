"""What a target sees: edges, colour, parts. Plain questions of our own to any rows of patches, each with a number for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..core import Grid
from .targets import RegionMaps

FAR = 3.0  # patches: pairs that lie farther apart are hardly ever of one region
ALPHAS = tuple(10.0**k for k in range(-2, 6))
FOLDS = 5


@dataclass(frozen=True)
class Sees:
    """How well rows of a target tell what is in their patches.

    edges, directions, colour: R² of ridge regression, on pictures that the regression has not seen: 1 all of it, 0 nothing, below
    0 worse than the mean. Edges are the mean length of the Sobel gradient of the luminance; directions the mean of that gradient's
    structure tensor, (gx² − gy², 2 gx gy) over its trace; colour the mean a and b of CIELAB, hue and saturation without brightness.
    parts: the chance that two patches of one region are more alike (cosine) than two of different regions, of one picture and
    equally far apart (up to 3 patches), so that nearness alone gives 0.5: the area under the ROC curve.

    NaN where it cannot be measured: one picture alone, no edges or colours at all, regions that no pair of patches parts.
    """

    edges: float
    directions: float
    colour: float
    parts: float


def seeing(
    rows: Float[Tensor, "B N D"],
    unit: Float[Tensor, "B N D"],
    images: Float[Tensor, "B 3 H W"],
    grid: Grid,
    regions=None,
) -> Sees:
    """rows: of the patches of `images`, RGB in 0..1; unit: the same of length 1, for cosines.

    regions: (B, H, W) whole numbers, whose parts are asked for; unless given, those of like colour that Felzenszwalb and
    Huttenlocher's segmentation finds in each picture. Both are cut into patches by their majority. ValueError for another shape.
    """
    if regions is None:
        maps = RegionMaps(grid)
        regions = np.stack([maps.segments(image) for image in images])
    wanted = torch.cat([*slopes(images, grid), colours(images, grid)], -1)  # (B, N, 1 + 2 + 2)
    wrong, whole = _regression(rows, wanted)
    edges, directions, colour = (
        1 - float(wrong[part].sum() / whole[part].sum()) if whole[part].sum() > 1e-9 else float("nan")
        for part in (slice(0, 1), slice(1, 3), slice(3, 5))
    )
    return Sees(edges, directions, colour, _auc(unit, _majority(np.asarray(regions), grid), grid))


def slopes(images: Float[Tensor, "B 3 H W"], grid: Grid) -> tuple[Float[Tensor, "B N 1"], Float[Tensor, "B N 2"]]:
    """Edge strength and edge direction of each patch, of the luminance (Rec. 709) of RGB in 0..1."""
    luminance = (images * images.new_tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1, keepdim=True)
    sobel = images.new_tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8
    g = F.conv2d(F.pad(luminance, (1, 1, 1, 1), mode="replicate"), torch.stack([sobel, sobel.T])[:, None])
    gx, gy = g[:, :1], g[:, 1:]
    strength, dx, dy = (
        grid.patchify(each).mean(-1) for each in (g.norm(dim=1, keepdim=True), gx**2 - gy**2, 2 * gx * gy)
    )
    trace = grid.patchify(gx**2 + gy**2).mean(-1) + 1e-6  # a flat patch has no direction
    return strength[..., None], torch.stack([dx / trace, dy / trace], -1)


def colours(images: Float[Tensor, "B 3 H W"], grid: Grid) -> Float[Tensor, "B N 2"]:
    """Mean a and b of CIELAB of each patch."""
    from skimage.color import rgb2lab

    lab = torch.from_numpy(rgb2lab(images.permute(0, 2, 3, 1).double().numpy())).permute(0, 3, 1, 2).float()
    return torch.stack([grid.patchify(lab[:, c : c + 1]).mean(-1) for c in (1, 2)], -1)


# --- inside ---


def _regression(rows: Tensor, wanted: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of each output on held-out pictures, every picture once, and squares around its mean, both over its spread."""
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold

    x, y = rows.flatten(0, 1).double().numpy(), wanted.flatten(0, 1).double().numpy()
    if len(rows) < 2:
        return np.zeros(y.shape[1]), np.zeros(y.shape[1])
    groups = np.repeat(np.arange(len(rows)), rows.shape[1])
    x = (x - x.mean(0)) / max(float(x.std()), 1e-12)
    y = np.where(y.std(0) > 1e-6, (y - y.mean(0)) / np.maximum(y.std(0), 1e-12), 0.0)
    wrong = np.zeros(y.shape[1])
    for train, held in GroupKFold(min(FOLDS, len(rows))).split(x, groups=groups):
        guess = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(x[train], y[train]).predict(x[held])
        wrong += ((guess - y[held]) ** 2).sum(0)
    return wrong, (y**2).sum(0)


def _majority(regions: np.ndarray, grid: Grid) -> np.ndarray:
    """(B, rows, cols): the region that holds most of each patch."""
    if regions.shape[1:] != (grid.height, grid.width):
        raise ValueError(f"regions are {regions.shape}, but (pictures, {grid.height}, {grid.width}) is wanted")
    patches = grid.patchify(torch.from_numpy(regions.astype(np.int64))[:, None])  # (B, N, patch²)
    return patches.mode(-1).values.reshape(-1, *grid.shape).numpy()


def _auc(unit: Tensor, labels: np.ndarray, grid: Grid) -> float:
    """Within pairs of one picture and one distance, weighted by how many comparisons there are."""
    total = pairs = 0.0
    for maps, regions in zip(unit.unflatten(1, grid.shape).numpy(), labels, strict=True):
        for offsets in _distances(grid).values():
            found = [_beside(maps, regions, *offset) for offset in offsets]
            cosine, same = (np.concatenate(each) for each in zip(*found, strict=True))
            here = float(same.sum()) * float((~same).sum())
            if here:
                total, pairs = total + here * _ranked(cosine, same), pairs + here
    return float(total / pairs) if pairs else float("nan")


def _distances(grid: Grid) -> Mapping[int, list[tuple[int, int]]]:
    """{squared distance: [(rows, cols)]} of half of all offsets, so that every pair comes once."""
    near: dict[int, list[tuple[int, int]]] = {}
    reach = int(FAR)
    for row in range(min(reach, grid.rows - 1) + 1):
        for col in range(-min(reach, grid.cols - 1), min(reach, grid.cols - 1) + 1):
            if (row, col) > (0, 0) and row * row + col * col <= FAR * FAR:
                near.setdefault(row * row + col * col, []).append((row, col))
    return near


def _beside(maps: np.ndarray, regions: np.ndarray, row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of every patch and the one `row` below and `col` beside it, and whether both are of one region."""
    here = (slice(0, maps.shape[0] - row), slice(max(0, -col), maps.shape[1] - max(0, col)))
    there = (slice(row, None), slice(max(0, col), maps.shape[1] + min(0, col)))
    return (maps[here] * maps[there]).sum(-1).ravel(), (regions[here] == regions[there]).ravel()


def _ranked(values: np.ndarray, positive: np.ndarray) -> float:
    """Mann and Whitney's U over the number of pairs; ties count half."""
    from scipy.stats import rankdata

    ranks, many = rankdata(np.round(values, 6)), int(positive.sum())
    return (ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(values) - many))
