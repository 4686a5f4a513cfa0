"""HAP: parts first and the number exact; two views that come to agree."""

import math

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.core import Grid, Mask
from mimviz.grammar.where import Parts
from mimviz.grammar.where.parts import STANDING, touched
from mimviz.recipes.hap import alignment

from .small import GRID, encoder, made
from .test_invariants import smooth

LARGE = Grid(16, 8, 16)
IMAGES = torch.zeros(200, 3, 1, 1)


@pytest.mark.parametrize("most", range(7))
def test_the_number_is_exact_for_any_number_of_parts(most):
    assert (Parts(0.5, most=most)(IMAGES, LARGE).hidden.sum(1) == 64).all()


def test_parts_that_fit_are_hidden_whole():
    one = Parts(0.5, (STANDING[0],), most=1)
    hidden = one(IMAGES, LARGE, torch.Generator().manual_seed(0)).hidden
    inside = touched(STANDING[0], LARGE).flatten()
    whole = hidden[:, inside].all(1)
    assert 0.4 < whole.float().mean() < 0.65, "0 or 1 parts, evenly, and 0 hides it whole by chance only"
    crowded = Parts(0.1, ((0.0, 0.0, 1.0, 1.0),), most=1)(IMAGES, LARGE)
    assert (crowded.hidden.sum(1) == 13).all()


def test_no_part_is_random_masking():
    """Chi-square over patches, 128 cells of 0.5 each; the expected value of the statistic is about the number of cells."""
    often = (
        Parts(0.5, most=0)(torch.zeros(2000, 3, 1, 1), LARGE, torch.Generator().manual_seed(0)).hidden.float().sum(0)
    )
    statistic = float(((often - 1000) ** 2 / 500).sum())
    assert abs(statistic - 128) < 4 * math.sqrt(2 * 128)
    parts = Parts(0.5)(torch.zeros(2000, 3, 1, 1), LARGE, torch.Generator().manual_seed(0)).hidden.float().sum(0)
    assert float(((parts - 1000) ** 2 / 500).sum()) > 1000, "with parts the middle is hidden more often"


def test_boxes_of_each_picture():
    found = Parts(0.25, lambda images: [[(0, 0, 0.5, 0.5)], [(0.5, 0.5, 1, 1)]], most=1)
    for seed in range(30):
        a, b = found(IMAGES[:2], GRID, torch.Generator().manual_seed(seed)).hidden.reshape(2, 4, 4)
        if a[:2, :2].all() and b[2:, 2:].all():
            break
    else:
        pytest.fail("each picture has its own part, and with one part drawn it is hidden whole")
    with pytest.raises(ValueError, match="top above bottom"):
        touched((0.5, 0, 0.5, 1), GRID)


def test_alignment_by_hand():
    a, b = torch.randn(3, 4), torch.randn(3, 4)
    total = 0.0
    for x, y in ((a, b), (b, a)):
        for i in range(3):
            near = [float(torch.cosine_similarity(x[i], y[j], dim=0)) / 0.2 for j in range(3)]
            total -= (near[i] - math.log(sum(map(math.exp, near)))) / 3 * 0.4
    assert alignment(a, b).item() == pytest.approx(total, rel=1e-4)


def test_two_views_one_after_the_other():
    torch.manual_seed(0)
    model, images = made("hap"), smooth(3)
    outcome = model(images)
    assert len(outcome) == 6 and outcome.view.images[:3].equal(outcome.view.images[3:])
    assert not torch.equal(outcome.mask.hidden[:3], outcome.mask.hidden[3:])
    rows = [outcome.patch_loss[half][outcome.mask.hidden[half]].mean() for half in (slice(3), slice(3, 6))]
    torch.testing.assert_close(outcome.loss, sum(rows) / 2 + outcome.terms["alignment"])


def test_without_its_term_it_is_mae_bit_for_bit():
    found = []
    for name, keywords in (("mae", {}), ("hap", {"weight": 0.0}), ("hap", {})):
        torch.manual_seed(0)
        model = getattr(recipes, name)(encoder(name), dim=32, depth=1, **keywords)
        found.append(model(smooth(2), Mask.random(GRID, seed=0)).loss)
        if name == "hap":
            assert bool(model(smooth(2)).terms) == (not keywords)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_views_of_one_picture_come_to_agree():
    torch.manual_seed(0)
    model = recipes.hap(encoder("hap"), dim=32, depth=1, weight=1.0)
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def margin():
        torch.manual_seed(1)
        with torch.no_grad():
            a, b = (model.eval().encode(images, model.where(images, GRID))[:, 0] for _ in range(2))
        near = torch.nn.functional.normalize(a, dim=1) @ torch.nn.functional.normalize(b, dim=1).T
        return float(near.diagonal().mean() - (near.sum() - near.trace()) / 56)

    before = margin()
    list(mv.fit(model, [images], steps=100, lr=2e-3))
    assert margin() > before + 0.2
