"""PixMIM's filter as a slow Fourier sum; with everything let through it is MAE, bit for bit."""

import math

import pytest
import torch

from mimviz import recipes
from mimviz.core import Grid, Mask
from mimviz.grammar.targets import LowPass, Pixels

from .small import GRID, encoder
from .test_invariants import smooth


def both(**keywords):
    found = []
    for name in ("mae", "pixmim"):
        torch.manual_seed(0)
        extra = keywords if name == "pixmim" else {}
        found.append(getattr(recipes, name)(encoder(name), dim=32, depth=1, **extra))
    return found


@pytest.mark.parametrize("size", [(8, 8), (6, 9)])
def test_the_filter_as_a_slow_sum(size):
    H, W = size
    image = torch.randn(H, W, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    radius = 60.0
    out = torch.zeros(H, W, dtype=torch.complex128)
    for u in range(H):
        for v in range(W):
            fy, fx = (u if u <= (H - 1) // 2 else u - H) * 224 / H, (v if v <= (W - 1) // 2 else v - W) * 224 / W
            if fy**2 + fx**2 > radius**2:
                continue
            y, x = torch.meshgrid(
                torch.arange(H, dtype=torch.float64), torch.arange(W, dtype=torch.float64), indexing="ij"
            )
            phase = 2j * math.pi * (u * y / H + v * x / W)
            out += (image * torch.exp(-phase)).sum() * torch.exp(phase) / (H * W)
    assert out.imag.abs().max() < 1e-9, "centred, the result is real"
    target = LowPass(Grid(1, 1, 8), radius=radius)
    torch.testing.assert_close(target.filtered(image.expand(1, 3, H, W))[0, 0], out.real)


def test_with_a_radius_beyond_all_frequencies_it_is_mae():
    plain, model = both(radius=1000)
    images, mask = smooth(2), Mask.random(GRID, seed=1)
    torch.testing.assert_close(model(images, mask).loss, plain(images, mask).loss, atol=1e-4, rtol=1e-4)
    assert torch.equal(model(images, mask).guess, plain(images, mask).guess)


def test_distinct_texture_is_not_asked_for():
    """Two pictures that differ in fine detail alone have one target; MAE's target tells them apart."""
    fine = torch.zeros(1, 3, 32, 32)
    fine[..., ::2] = 1.0  # 112 periods over 224 pixels
    coarse = smooth(1)
    low, plain = LowPass(GRID, normalize=False), Pixels(GRID, normalize=False)
    mask = Mask.none(GRID)
    torch.testing.assert_close(low(coarse + fine, mask), low(coarse + 0.5, mask), atol=1e-5, rtol=1e-5)
    assert (plain(coarse + fine, mask) - plain(coarse + 0.5, mask)).abs().max() > 0.4
    plain_model, model = both()
    losses = [m(coarse + fine, Mask.random(GRID, seed=0)).loss for m in (plain_model, model)]
    assert not torch.isclose(*losses)


def test_a_guess_becomes_a_picture_with_the_filtered_statistics():
    target, images, mask = LowPass(GRID), smooth(1), Mask.random(GRID, seed=0)
    drawn = target.pixels(target(images, mask), images, mask, statistics="true")
    torch.testing.assert_close(drawn, GRID.patchify(target.filtered(images)), atol=1e-4, rtol=1e-4)
