"""Every strategy of the menus; masks from painters, maps and teachers; what can be read off a mask."""

import math

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Heatmap, Mask, seeded
from mimviz.grammar import Teacher, where
from mimviz.lenses import Rollout

GRID = Grid(8, 8, 8)
IMAGES = torch.linspace(0, 40, 2 * 3 * 64 * 64).sin().reshape(2, 3, 64, 64)


def student():
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=24, depth=2, num_heads=3)


@pytest.mark.parametrize("name", where.STRATEGIES)
@pytest.mark.parametrize("ratio", [0.25, 0.75])
def test_strategies_make_words_from_a_ratio(name, ratio):
    word = where.STRATEGIES[name](ratio)
    masks = [word(IMAGES, GRID, seeded(3)) for _ in range(2)]
    assert masks[0] == masks[1] and masks[0].shape == GRID.shape
    if name == "multi-block":
        often = [word(IMAGES, GRID, seeded(seed)).ratio for seed in range(40)]
        assert abs(np.mean(often) - ratio) < 0.12
    else:
        assert (masks[0].hidden.sum(1) == 64 * ratio).all()


@pytest.mark.parametrize("name", where.GUIDED)
def test_guided_strategies_ask_a_teacher(name):
    teacher = Teacher(student())
    mask = where.GUIDED[name](teacher, 0.5)(IMAGES, GRID, seeded(0))
    assert mask.shape == GRID.shape and 20 <= mask.count <= 32
    seen = teacher.attention(IMAGES).mean(1)
    more = seen[mask.hidden].mean() > seen[~mask.hidden].mean()
    assert bool(more) == (name != "least attended")


def test_a_painted_mask_is_a_strategy():
    torch.manual_seed(0)
    model = mv.recipes.mae(student(), dim=32, depth=1)
    painted = np.zeros((8, 8), bool)
    painted[2:5, 1:7] = True
    model.where = where.Painted(Mask.from_array(painted))
    outcome = model(IMAGES)
    assert len(outcome.mask) == 2 and (outcome.mask.hidden.reshape(2, 8, 8).numpy() == painted).all()
    with pytest.raises(ValueError, match="made for another model"):
        where.Painted(Mask.none(Grid(3, 3, 8)))(IMAGES, GRID)


def test_any_lens_is_a_score():
    encoder = student()

    def source(images):
        return Rollout()(mv.Scene(encoder, images))

    for least in (False, True):
        mask = where.Highest(0.5, score=where.Pointed(source, least))(IMAGES, GRID)
        heat = source(IMAGES).values.flatten(1)
        inside, outside = (heat[b] for b in (mask.hidden, ~mask.hidden))
        for b in range(2):
            hidden, seen = heat[b][mask.hidden[b]], heat[b][~mask.hidden[b]]
            assert (hidden.max() <= seen.min()) if least else (hidden.min() >= seen.max())
        assert len(inside) == len(outside)


def test_a_map_on_pixels_is_averaged_over_patches():
    pixels = torch.rand(2, 64, 64)
    score = where.Pointed(lambda images: Heatmap(pixels, by="pixels"))(IMAGES, GRID)
    torch.testing.assert_close(score.values[1, 2, 3], pixels[1, 16:24, 24:32].mean())
    with pytest.raises(ValueError, match="of 2 pictures, but there are 1"):
        where.Pointed(lambda images: Heatmap(pixels, by="pixels"))(IMAGES[:1], GRID)


def test_average_distance_pixel_by_pixel():
    grid = Grid(3, 4, 2)
    mask = where.Highest(0.6)(torch.zeros(3, 3, 1, 1), grid, seeded(0))
    for b in range(3):
        hidden = mask.hidden[b].reshape(3, 4).repeat_interleave(2, 0).repeat_interleave(2, 1)
        far = [min(math.dist(p, q) for q in (~hidden).nonzero().tolist()) for p in hidden.nonzero().tolist()]
        assert where.average_distance(mask, grid)[b].item() == pytest.approx(sum(far) / len(far), rel=1e-5)
    assert where.average_distance(Mask.none(grid), grid).item() == 0
    assert where.average_distance(Mask.all(grid), grid).item() == math.inf


def test_larger_units_are_farther_from_what_is_visible():
    """Figure 3 of SimMIM: at one ratio AvgDist grows with the unit."""
    grid, images = Grid(16, 16, 4), torch.zeros(20, 3, 1, 1)
    far = [
        float(where.average_distance(where.Units(0.5, unit)(images, grid, seeded(0)), grid).mean())
        for unit in (1, 2, 4)
    ]
    assert far[0] < far[1] < far[2]


def test_the_spectrum_of_a_checkerboard_and_of_halves():
    y, x = np.mgrid[:8, :8]
    fine = where.spectrum(Mask.from_array((y + x) % 2 == 0))
    coarse = where.spectrum(Mask.from_array(x < 4))
    assert fine.power.argmax() == 7 and fine.centre > 0.45 and coarse.power.argmax() == 2 and coarse.centre < 0.25
    for each in (fine, coarse):
        assert float((each.power * each.weight).sum()) == pytest.approx(1, rel=1e-5)
    assert where.spectrum(Mask.none(GRID)).power.sum() == 0


def test_colours_differ_in_frequency_as_they_are_named():
    images, grid = torch.zeros(100, 3, 1, 1), Grid(14, 14, 16)
    centre = {
        name: where.spectrum(where.STRATEGIES[name](0.75)(images, grid, seeded(0))).centre
        for name in ("red noise", "green noise", "random", "blue noise", "grid")
    }
    assert sorted(centre, key=centre.get) == ["red noise", "green noise", "random", "blue noise", "grid"]
