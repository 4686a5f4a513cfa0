"""Crisp masks: their cost written out, both parts of a class, crispness, and that they beat random deletion."""

import pytest
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.lenses._coefficients import probability
from mimviz.lenses._pixels import blank
from mimviz.lenses.visual_summaries import without

from .planted import GRID, planted_scene, planted_vit


def two_parts():
    """One picture in which patches 5 and 11 are red, before a ViT whose answer falls by much without either."""
    images = torch.maximum(planted_scene(5).images, planted_scene(11).images)
    images[:, 1:] = torch.minimum(planted_scene(5).images, planted_scene(11).images)[:, 1:]
    return mv.Scene(planted_vit(prefix=3), images, target=1)


def test_the_cost_written_out():
    lens = lenses.CrispMask(sparse=0.7, smooth=0.4, beta=2.0)
    gone = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    for b in range(2):
        m, slope, vague = gone[b].tolist(), 0.0, 0.0
        for r in range(3):
            for c in range(4):
                slope += abs(m[r][c] - m[r - 1][c]) ** 2 if r else 0.0
                slope += abs(m[r][c] - m[r][c - 1]) ** 2 if c else 0.0
                vague += 4 * m[r][c] * (1 - m[r][c])
        expected = 0.7 * float(gone[b].mean()) + 0.4 * slope / 12 + 0.3 * vague / 12
        assert float(lens.penalty(gone, crisp=0.3)[b]) == pytest.approx(expected, rel=1e-5)


def test_the_mask_covers_both_parts_and_beats_as_many_cells_at_random():
    scene = two_parts()
    gone = lenses.CrispMask()(scene).values
    found = gone[0].flatten() > 0.5
    both = torch.zeros(GRID.count, dtype=torch.bool)
    both[[5, 11]] = True
    assert float((found & both).sum() / (found | both).sum()) > 0.5
    away, g = blank(scene, "mean"), torch.Generator().manual_seed(0)

    def left(cells) -> float:
        with torch.no_grad():
            return float(probability(scene, without(scene, cells.float().reshape(1, *GRID.shape), away))[0])

    random = [left(torch.rand(GRID.count, generator=g).argsort().argsort() < int(found.sum())) for _ in range(20)]
    assert left(found) < sum(random) / 20


def test_the_crisp_term_leaves_fewer_cells_undecided():
    scene = two_parts()
    vague = [
        ((each > 0.1) & (each < 0.9)).float().mean()
        for each in (lenses.CrispMask(crisp=crisp, steps=40)(scene).values for crisp in (0.0, 0.5))
    ]
    assert vague[1] < vague[0]
