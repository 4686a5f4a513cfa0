"""ColorMAE's colours: how far hidden patches clump, and the stored bank's rule given the same noise."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from mimviz import recipes
from mimviz.core import Grid, Heatmap, Mask
from mimviz.grammar.where import Coloured, Highest

from .small import GRID, encoder
from .test_invariants import smooth

LARGE = Grid(14, 14, 16)


def clumping(where, pictures: int = 300) -> float:
    """Mean lag-1 autocorrelation of the mask."""
    mask = where(torch.zeros(pictures, 3, 1, 1), LARGE, torch.Generator().manual_seed(0))
    x = mask.hidden.reshape(-1, 14, 14).double()
    x = x - x.mean()
    lag = ((x[:, 1:] * x[:, :-1]).mean() + (x[:, :, 1:] * x[:, :, :-1]).mean()) / 2
    return float(lag / x.square().mean())


def test_red_clumps_blue_keeps_apart():
    found = {colour: clumping(Highest(0.75, Coloured(colour))) for colour in ("red", "green", "blue")}
    white = clumping(Highest(0.75))
    assert found["red"] > found["green"] + 0.05 > white + 0.2 > found["blue"] + 0.2
    assert found == pytest.approx({"red": 0.52, "green": 0.41, "blue": -0.09}, abs=0.05), (
        "as computed from the definition"
    )
    assert abs(white) < 0.02


@pytest.mark.parametrize("colour", ["red", "green", "blue", "purple"])
def test_filters_are_scipys(colour):
    white = torch.randn(1, 1, 30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = white[0, 0].numpy()
    low, wide = gaussian_filter(noise, 1.0, truncate=8.0), gaussian_filter(noise, 2.0, truncate=4.0)
    naive = {"red": low, "blue": noise - low, "green": low - wide, "purple": noise - (low - wide)}[colour]
    torch.testing.assert_close(Coloured(colour).filtered(white, 8)[0], torch.from_numpy(naive)[8:-8, 8:-8])


def test_the_rule_of_the_public_code_given_the_same_noise():
    """carlosh93/ColorMAE keeps the ⌊N / 4⌋ strongest of its window; so does `Highest` with that window upside down."""
    window = Coloured("green")(torch.zeros(2, 3, 1, 1), LARGE, torch.Generator().manual_seed(3)).values
    order = window.flatten(1).argsort(dim=1, descending=True)
    naive = torch.ones(2, 196, dtype=torch.bool).scatter(1, order[:, : int(196 * (1 - 0.75))], False)
    mask = Highest(0.75, score=lambda *_: Heatmap(-window, by="window"))(window, LARGE)
    assert torch.equal(mask.hidden, naive)


def test_distinct_only_the_mask_differs_from_mae():
    models = []
    for name in ("mae", "colormae"):
        torch.manual_seed(0)
        models.append(getattr(recipes, name)(encoder(name), dim=32, depth=1))
    mask = Mask.random(GRID, seed=0)
    a, b = (m(smooth(2), mask).loss for m in models)
    assert torch.equal(a, b)
    drawn = []
    for m in models:
        torch.manual_seed(1)
        drawn.append(m(smooth(2)).mask.hidden)
    assert not torch.equal(*drawn) and drawn[0].sum() == drawn[1].sum()


def test_colours_that_are_none():
    with pytest.raises(ValueError, match="'red', 'green', 'blue' or 'purple'"):
        recipes.colormae(encoder("colormae"), colour="pink")
    with pytest.raises(ValueError, match="sigma < wide"):
        Coloured("green", 2.0, 1.0)
