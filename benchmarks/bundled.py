"""How good is the bundled model? PSNR over the hidden pixels on validation pictures, beside fills that need no model.

    python benchmarks/bundled.py tiny-imagenet-val.parquet [--model tiny] [--ratio 0.75] [--pictures 1000]

Same pictures, same masks, one run. Fails when the model is not at least 1.0 dB above linear interpolation of visible patch
means and 2.0 dB above the mean colour of the visible patches.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from tqdm import tqdm

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.data import load_images


def mean_colour(rgb: np.ndarray, hidden: np.ndarray, grid: Grid) -> np.ndarray:
    """Every hidden pixel gets the mean of all visible ones."""
    return np.where(pixels(hidden, grid)[..., None], rgb[~pixels(hidden, grid)].mean(0), rgb)


def linear(rgb: np.ndarray, hidden: np.ndarray, grid: Grid) -> np.ndarray:
    """Hidden pixels by linear interpolation between the centres of visible patches; the nearest one outside their hull."""
    p = grid.patch
    means = rgb.reshape(grid.rows, p, grid.cols, p, 3).mean((1, 3))
    at = np.argwhere(~hidden) * p + (p - 1) / 2
    known = means[~hidden]
    where = np.stack(np.meshgrid(np.arange(grid.height), np.arange(grid.width), indexing="ij"), -1).reshape(-1, 2)
    filled = LinearNDInterpolator(at, known)(where)
    outside = np.isnan(filled[:, 0])
    filled[outside] = NearestNDInterpolator(at, known)(where[outside])
    return np.where(pixels(hidden, grid)[..., None], filled.reshape(rgb.shape), rgb)


def pixels(hidden: np.ndarray, grid: Grid) -> np.ndarray:
    return hidden.repeat(grid.patch, 0).repeat(grid.patch, 1)


def psnr(fill: np.ndarray, rgb: np.ndarray, hidden: np.ndarray, grid: Grid) -> float:
    return -10 * np.log10(np.square(fill.clip(0, 1) - rgb)[pixels(hidden, grid)].mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--ratio", type=float, default=0.75)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    mim = mv.load_mim(args.model)
    grid = mim.grid
    source = args.data if len(args.data) > 1 else args.data[0]
    images = load_images(source, size=(grid.height, grid.width), limit=args.pictures).images
    rows: dict[str, list[float]] = {"mean colour of the visible": [], "linear interpolation": [], args.model: []}
    for index, image in enumerate(tqdm(images, unit="picture")):
        mask = Mask.random(grid, ratio=args.ratio, seed=args.seed + index)
        rgb = image.permute(1, 2, 0).double().numpy() / 255
        outcome = mim.reconstruct(image, mask)
        fills = (mean_colour(rgb, mask.array, grid), linear(rgb, mask.array, grid), outcome.pasted.array)
        for row, fill in zip(rows.values(), fills, strict=True):
            row.append(psnr(fill, rgb, mask.array, grid))
    return report(rows, args, grid)


def report(rows: dict[str, list[float]], args: argparse.Namespace, grid: Grid) -> int:
    mean, straight, model = (np.array(row) for row in rows.values())
    print(
        f"\n{len(model)} pictures, {grid.rows} x {grid.cols} patches of {grid.patch}, {args.ratio:.0%} hidden, seed {args.seed}"
    )
    print(f"torch {torch.__version__}\n\n| fill | PSNR over hidden pixels, mean of pictures | median |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {np.mean(row):.2f} dB | {np.median(row):.2f} dB |")
    gains = {"linear interpolation": (model - straight, 1.0), "mean colour": (model - mean, 2.0)}
    missed = 0
    for name, (gain, wanted) in gains.items():
        error = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
        missed += gain.mean() < wanted
        print(
            f"gain over {name}: {gain.mean():.2f} ± {error:.2f} dB (wanted: {wanted}); better on {(gain > 0).mean():.0%}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
