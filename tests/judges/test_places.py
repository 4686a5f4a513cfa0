"""Maps held against a region, a mosaic or a planted patch."""

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Heatmap, Mask
from mimviz.judges import GridPointingGame, MassInside, PlantedFeature, PointingGame

from .maps import GRID, PATCHES, drawn, inverted, perfect, scene


def at_patch(patch: int) -> Mask:
    hidden = torch.zeros(1, GRID.count, dtype=torch.bool)
    hidden[0, patch] = True
    return Mask(hidden, None, GRID.shape)


def test_mass_and_point_in_a_drawn_mask():
    asked, region = scene(), at_patch(PATCHES[0])
    assert MassInside(region)(asked, perfect()).value.tolist() == [1, 0]
    assert PointingGame(region)(asked, perfect()).value.tolist() == [1, 0]
    noise = drawn(0)
    mine = noise.values.clamp_min(0).flatten(1)
    torch.testing.assert_close(MassInside(region)(asked, noise).value, mine[:, PATCHES[0]] / mine.sum(1))


def test_a_map_with_nothing_positive_has_no_mass():
    score = MassInside()(scene(), inverted())
    assert torch.isnan(score.value).all() and "no positive value" in score.note


def test_regions_are_boxes_arrays_and_masks_alike():
    asked, heat = scene(), drawn(1)
    box = (0.0, 0.0, 0.5, 0.5)
    pixels = np.zeros((32, 32), bool)
    pixels[:16, :16] = True
    patches = torch.zeros(1, 4, 4, dtype=torch.bool)
    patches[:, :2, :2] = True
    values = [MassInside(region)(asked, heat).value for region in (box, Wrapped(pixels), Mask(patches))]
    assert torch.equal(values[0], values[1]) and torch.equal(values[0], values[2])


class Wrapped:
    """An array inside a frozen word must not be compared; here it is only read."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


@pytest.mark.parametrize("region", [(0.5, 0, 0.2, 1), (0, 0, 0.01, 0.01), np.zeros((4, 4)), np.ones((3, 4, 4), bool)])
def test_bad_regions_are_refused(region):
    with pytest.raises(ValueError, match="region"):
        MassInside(region)(scene(), perfect())


def test_tolerance_widens_the_region():
    asked = scene()
    beside = at_patch(PATCHES[0] + 1)
    assert PointingGame(beside)(asked, perfect()).value[0] == 0
    assert PointingGame(beside, tolerance=8)(asked, perfect()).value[0] == 1


class Says:
    """A lens that gives what it is told."""

    def __init__(self, values):
        self.values = values

    def __call__(self, asked):
        return Heatmap(self.values[: len(asked)], by=self)


def test_a_mosaic_is_read_in_its_own_cell():
    asked, corner = scene(), torch.zeros(2, 4, 4)
    corner[:, :2, :2] = 1
    for values, wanted in ((corner, 1.0), (1 - corner, 0.0), (torch.ones(2, 4, 4), 0.25)):
        heat = Says(values)(asked)
        assert GridPointingGame()(asked, heat).value.tolist() == pytest.approx([wanted] * 2)


def test_the_mosaic_shows_the_picture_in_the_first_cell():
    asked, seen = scene(), []

    class Looks:
        def __call__(self, other):
            seen.append(other.images)
            return Heatmap(torch.ones(len(other), 4, 4), by=self)

    GridPointingGame()(asked, Looks()(asked))
    small = torch.nn.functional.interpolate(asked.images, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(seen[-1][:, :, :16, :16], small)
    torch.testing.assert_close(seen[-1][0, :, :16, 16:], small[1])


def test_the_planted_patch_is_found_by_a_lens_that_looks():
    asked = scene()
    heat = mv.lenses.Occlusion()(asked)
    assert PlantedFeature()(asked, heat).value.tolist() == [1, 1]
    blind = Says(torch.randn(8, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert PlantedFeature()(asked, blind(asked)).value.max() < 0.5
