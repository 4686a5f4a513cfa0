"""FG-MAE: histograms in a window, indices by hand, what each of them forgets, and each part's own loss."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.noising import Speckle
from mimviz.grammar.targets import HOG, NDI, Joined, Pixels

from .small import GRID, encoder, made
from .test_maskfeat import naive

HALF = ((0.5,) * 3, (0.5,) * 3)


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def test_histograms_in_a_gaussian_window_pixel_by_pixel():
    """HOGLayerC with gaussian_window = patch: exp(−½ ((i − mean) / (patch / 2))²) in both directions, over each patch again."""
    grid = Grid(2, 1, 8)
    pictures = torch.randn(1, 3, 16, 8, generator=torch.Generator().manual_seed(0))

    def bell(y, x):
        return math.exp(-0.5 * (((y % 8 - 3.5) / 4) ** 2 + ((x % 8 - 3.5) / 4) ** 2))

    found = HOG(grid, 9, window=True)(pictures)
    torch.testing.assert_close(found, naive(pictures, grid, 9, bell), atol=1e-4, rtol=1e-3)
    assert not torch.allclose(found, HOG(grid, 9)(pictures), atol=1e-2)


def test_indices_pixel_by_pixel():
    target = NDI(GRID, *HALF)
    maps, light = GRID.unpatchify(target(images())), images() * 0.5 + 0.5
    for b, y, x in ((0, 3, 17), (1, 30, 5)):
        red, green, blue = (float(light[b, c, y, x]) for c in range(3))
        wanted = [(p - q) / (p + q + 1e-5) for p, q in ((green, red), (green, blue), (red, blue))]
        torch.testing.assert_close(maps[b, :, y, x], torch.tensor(wanted), atol=1e-5, rtol=1e-4)
    assert maps.abs().max() <= 1 and target.width == 3 * 64
    black = torch.full((1, 3, 32, 32), -1.0)
    assert (target(black) == 0).all(), "no light, no difference"


def test_what_each_target_forgets():
    """Histograms forget contrast and brightness, indices how much light there is but not a haze, pixels nothing."""
    light = 0.1 + 0.4 * torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    brighter, hazy = 1.7 * light, light + 0.2
    close = {"atol": 1e-3, "rtol": 1e-2}

    def same(target, a, b):
        return torch.allclose(target(2 * a - 1, Mask.none(GRID)), target(2 * b - 1, Mask.none(GRID)), **close)

    hog, ndi, pixels = HOG(GRID, window=True), NDI(GRID, *HALF), Pixels(GRID, normalize=False)
    assert [same(hog, light, each) for each in (brighter, hazy)] == [True, True]
    assert [same(ndi, light, each) for each in (brighter, hazy)] == [True, False]
    assert [same(pixels, light, each) for each in (brighter, hazy)] == [False, False]


def test_a_patch_has_36_numbers_for_each_colour_and_three_indices_for_each_pixel():
    grid = Grid(14, 14, 16)
    target = Joined((HOG(grid, 9, window=True), NDI(grid, *HALF)))
    assert target.widths == (36 * 3, 16 * 16 * 3) and target.width == sum(target.widths)
    small = Joined((HOG(GRID, window=True), NDI(GRID, *HALF)))
    rows = small(images(), Mask.none(GRID))
    for part, each in zip(small.parts(rows), small.targets, strict=True):
        assert torch.equal(part, each(images(), Mask.none(GRID)))
    drawn = small.draw(rows)
    assert drawn.shape == (2, 60, 60, 3) and drawn.min() >= 0 and drawn.max() <= 1 and drawn.std() > 0.05


def test_each_part_has_its_own_mean_and_they_are_added():
    """models_mae_2.py: two losses, each the mean over its own numbers and over hidden patches."""
    model, mask = made("fg_mae").eval(), Mask.random(GRID, ratio=0.7, seed=1, batch=2)
    outcome, losses = model(images(), mask).detached(), []
    for start, stop in ((0, 27), (27, 27 + 192)):
        errors = [
            float((outcome.guess[b, n, start:stop] - outcome.truth[b, n, start:stop]).square().mean())
            for b in range(2) for n in mask.hidden[b].nonzero()[:, 0].tolist()
        ]  # fmt: skip
        losses.append(sum(errors) / len(errors))
    assert outcome.loss == pytest.approx(sum(losses), rel=1e-5)


def test_without_indices_it_is_the_recipe_for_radar():
    """The same histograms and the same loss; nothing else."""
    model, mask = made("fg_mae").eval(), Mask.random(GRID, ratio=0.7, seed=1, batch=2)
    alone = mv.recipes.fg_mae(model.encoder, indices=0, dim=32, depth=1).eval()
    state = model.decoder.state_dict()
    alone.decoder.load_state_dict({k: v[:27] if k.startswith("head") else v for k, v in state.items()})
    both, one = model(images(), mask).detached(), alone(images(), mask).detached()
    torch.testing.assert_close(both.guess[..., :27], one.guess, atol=1e-6, rtol=1e-6)
    assert one.loss < both.loss and alone.target.widths == (27,)
    assert one.loss == pytest.approx(
        float(model.loss.parts(both.guess, both.truth)[..., 0][mask.hidden].mean()), rel=1e-5
    )


def test_it_forgets_brightness_where_mae_does_not():
    model, mask = mv.recipes.fg_mae(encoder("fg_mae"), indices=0, dim=32, depth=1).eval(), Mask.random(GRID, seed=1)
    truths = [
        [recipe(pictures, mask).truth for pictures in (images(), 0.5 * images() + 0.2)]
        for recipe in (model, made("mae"))
    ]
    assert torch.allclose(*truths[0], atol=1e-4)
    plain = mv.recipes.mae(encoder("mae"), normalize=False, dim=32, depth=1)
    assert not torch.allclose(plain(images(), mask).truth, plain(0.5 * images() + 0.2, mask).truth, atol=0.1)


def test_speckle_has_mean_one_and_less_of_it_with_more_looks():
    grey = torch.zeros(8, 3, 64, 64)
    for looks in (1, 4):
        noisy = Speckle(*HALF, looks=looks).noised(grey, torch.Generator().manual_seed(0)) * 0.5 + 0.5
        factor = noisy / 0.5
        assert factor.min() >= 0 and float(factor.mean()) == pytest.approx(1, abs=0.01)
        assert float(factor.var()) == pytest.approx(1 / looks, rel=0.03)
        skew = float(((factor - 1) ** 3).mean()) / float(factor.var()) ** 1.5
        assert skew == pytest.approx(2 / math.sqrt(looks), rel=0.1), "that of a Gamma distribution"
    black = Speckle(*HALF).noised(torch.full((1, 3, 8, 8), -1.0))
    torch.testing.assert_close(black, torch.full((1, 3, 8, 8), -1.0))
    with pytest.raises(ValueError, match="looks is 0"):
        Speckle(*HALF, looks=0)
