"""A class of two planted parts gives two summaries, each of one part in every picture."""

import numpy as np
import pytest
import torch
from lenses.planted import GRID, planted_vit

import mimviz as mv
from mimviz import discover
from mimviz.discover.visual_summaries import _mutual

RED, PURPLE = (1.0, 0.1, 0.1), (1.0, 0.0, 0.45)


def two_part_scene():
    """Six pictures with a red and a purple patch each, never side by side; either alone speaks for class 1."""
    places = [(0, 10), (3, 9), (12, 6), (15, 5), (5, 15), (2, 8)]
    shown = []
    for seed, (red, purple) in enumerate(places):
        array = np.random.default_rng(seed).uniform(0.45, 0.55, (GRID.height, GRID.width, 3))
        for patch, color in ((red, RED), (purple, PURPLE)):
            r, c = divmod(patch, GRID.cols)
            array[r * 8 : r * 8 + 8, c * 8 : c * 8 + 8] = color
        shown.append(mv.Picture(array))
    model = planted_vit(prefix=3)
    with torch.no_grad():  # a pair of channels that nobody reads tells blue from none
        for channel, sign in ((10, 1.0), (11, -1.0)):
            model.patch_embed.proj.weight[channel] = sign * torch.tensor([0.0, -1.0, 1.0])[:, None, None] / 8
    return mv.Scene(model, shown, target=1), places


def test_two_parts_two_summaries():
    scene, places = two_part_scene()
    summaries = discover.VisualSummaries()(scene)
    assert len(summaries) == 2
    for group in summaries:
        kinds = set()
        for region in group:
            patches = np.flatnonzero(region.cells).tolist()
            assert region.fall >= 0.05
            kinds |= {places[region.picture].index(patch) for patch in patches if patch in places[region.picture]}
        assert len(kinds) == 1, "a summary holds one part"
        assert len({region.picture for region in group}) >= 5


def test_mutual_nearest_written_out():
    cosine = np.array([[0.9, 0.2, 0.1], [0.8, 0.7, 0.3]])
    assert _mutual(cosine) == pytest.approx(0.9), "the second row's best prefers the first"
    assert _mutual(np.eye(3)) == pytest.approx(1.0)
