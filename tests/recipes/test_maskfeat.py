"""Histograms of oriented gradients, pixel by pixel; MaskFeat forgets brightness, SimMIM does not."""

import math

import pytest
import torch

from mimviz.core import Grid, Mask
from mimviz.grammar.targets import HOG

from .small import GRID, made
from .test_invariants import smooth


def naive(images, grid, bins, weigh=lambda y, x: 1.0):
    """Loops over pixels, straight from section 3.2 and PySlowFast's order of bins."""
    cell = HOG(grid, bins).cell
    B, _, H, W = images.shape
    rows, cols = H // cell, W // cell
    out = torch.zeros(B, 3, bins, rows, cols)

    def at(b, c, y, x):
        y, x = (-v if v < 0 else 2 * (n - 1) - v if v >= n else v for v, n in ((y, H), (x, W)))
        return float(images[b, c, y, x])

    for b in range(B):
        for c in range(3):
            for y in range(H):
                for x in range(W):
                    gx = sum(
                        w * (at(b, c, y + d, x - 1) - at(b, c, y + d, x + 1)) for d, w in ((-1, 1), (0, 2), (1, 1))
                    )
                    gy = sum(
                        w * (at(b, c, y - 1, x + d) - at(b, c, y + 1, x + d)) for d, w in ((-1, 1), (0, 2), (1, 1))
                    )
                    o = math.floor(math.atan2(gx, gy) / math.pi * bins) % bins
                    out[b, c, o, y // cell, x // cell] += weigh(y, x) * math.hypot(gx, gy)
    out = out / out.norm(dim=2, keepdim=True).clamp_min(1e-12)
    k = grid.patch // cell
    return torch.stack(
        [
            out[:, :, :, r * k : r * k + k, q * k : q * k + k].permute(0, 3, 4, 1, 2).flatten(1)
            for r in range(grid.rows)
            for q in range(grid.cols)
        ],
        dim=1,
    )


@pytest.mark.parametrize(
    "grid", [Grid(2, 1, 8), Grid(1, 1, 16), Grid(2, 2, 5)], ids=["one cell", "four cells", "odd patch"]
)
def test_histograms_pixel_by_pixel(grid):
    images = torch.randn(1, 3, grid.height, grid.width, generator=torch.Generator().manual_seed(0))
    target = HOG(grid, 9)
    assert target.width == target(images).shape[-1]
    torch.testing.assert_close(target(images), naive(images, grid, 9), atol=1e-4, rtol=1e-3)


def test_brightness_and_contrast_are_forgotten():
    images, target = torch.rand(1, 3, 32, 32), HOG(GRID)
    torch.testing.assert_close(target(images * 3 + 5), target(images), atol=1e-4, rtol=1e-3)
    assert made("maskfeat")(images + 5, Mask.random(GRID)).truth.allclose(
        made("maskfeat")(images, Mask.random(GRID)).truth, atol=1e-4
    )
    assert not made("simmim")(images + 5, Mask.random(GRID)).truth.allclose(
        made("simmim")(images, Mask.random(GRID)).truth
    )


def test_strokes_run_along_the_edge():
    """A picture of vertical stripes is drawn with vertical strokes, of diagonal ones with diagonal strokes."""
    grid = Grid(1, 1, 8)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    for pattern, along in ((x, (1.0, 0.0)), (y, (0.0, 1.0)), (x - y, (1.0, 1.0)), (x + y, (1.0, -1.0))):
        drawn = HOG(grid, 9).draw(HOG(grid, 9)(torch.sin(pattern)[None, None].expand(1, 3, 8, 8).contiguous()))[
            0, :, :, 0
        ]
        n = drawn.shape[0]
        v, u = torch.meshgrid(torch.linspace(-1, 1, n), torch.linspace(-1, 1, n), indexing="ij")
        moments = torch.tensor(
            [[(drawn * v * v).sum(), (drawn * v * u).sum()], [(drawn * v * u).sum(), (drawn * u * u).sum()]]
        )
        main = torch.linalg.eigh(moments).eigenvectors[:, 1]
        direction = torch.tensor(along) / torch.tensor(along).norm()
        assert abs(float(main @ direction)) > 0.94, along  # bins of 20°: within 20°


def test_the_sentence_is_simmims_with_other_words():
    model = made("maskfeat")
    assert model.target.width == 27 and model.decoder.head.out_features == 27
    images, mask = smooth(2), Mask.random(GRID, ratio=0.4)
    outcome = model(images, mask)
    naive_loss = (outcome.guess - model.target(images))[mask.expand(2).hidden].square().mean()
    torch.testing.assert_close(outcome.loss, naive_loss)
