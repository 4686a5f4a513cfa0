"""FSFM: one region whole, the others evenly, to the exact number; and the slow copy's view."""

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.core import Grid, Mask
from mimviz.grammar.where import Regions, Superpixels

from .small import GRID, encoder, made
from .test_invariants import smooth

LARGE = Grid(14, 14, 16)


def quarters(images, grid):
    """Four unequal regions; the first row of patches is background."""
    r, c = torch.meshgrid(torch.arange(grid.rows), torch.arange(grid.cols), indexing="ij")
    labels = 2 * (r >= grid.rows // 3).long() + (c >= grid.cols // 4).long()
    labels[0] = -1
    return labels.flatten().expand(len(images), -1)


@pytest.mark.parametrize("seed", range(6))
def test_one_whole_and_the_others_in_proportion(seed):
    images = torch.zeros(8, 3, 224, 224)
    mask, chosen = Regions(0.75, quarters).draw(images, LARGE, torch.Generator().manual_seed(seed))
    assert (mask.hidden.sum(1) == 147).all()
    labels = quarters(images, LARGE)
    for b in range(8):
        whole = labels[b][chosen[b]].unique()
        assert len(whole) == 1 and whole >= 0, "the background is never the one"
        size = int((labels[b] == whole).sum())
        assert int(chosen[b].sum()) == min(size, 147)
        share = (147 - size) / (196 - size)
        for other in set(labels[b].tolist()) - {int(whole)}:
            inside = labels[b] == other
            assert abs(int(mask.hidden[b][inside].sum()) - share * int(inside.sum())) < 1, "even within one patch"


def test_a_region_too_large_is_hidden_in_part():
    mask, chosen = Regions(0.5, lambda images, grid: torch.zeros(len(images), grid.count, dtype=torch.long)).draw(
        torch.zeros(2, 3, 32, 32), GRID
    )
    assert (mask.hidden.sum(1) == 8).all() and torch.equal(chosen, mask.hidden)


def test_superpixels_follow_the_picture():
    image = torch.zeros(1, 3, 224, 224)
    image[:, 0, :, :112], image[:, 2, :, 112:] = 1.0, 1.0
    labels = Superpixels(6)(image, LARGE).reshape(14, 14)
    left, right = set(labels[:, :7].flatten().tolist()), set(labels[:, 7:].flatten().tolist())
    assert left and right and not left & right, "none reaches across the edge"
    flat = Superpixels()(torch.zeros(2, 3, 32, 32), GRID)
    assert flat.shape == (2, 16)


def test_terms_by_hand():
    torch.manual_seed(0)
    model, images = made("fsfm"), smooth(2)
    torch.manual_seed(3)
    outcome = model(images)
    torch.manual_seed(3)
    mask, chosen = model.where.draw(images, GRID)
    assert mask == outcome.mask
    rows = torch.cat([outcome.patch_loss[b][chosen[b]] for b in range(2)])
    torch.testing.assert_close(outcome.terms["region"], 0.007 * rows.mean())

    def view(encode, project, images, mask):
        decode, head = project[0], project[1]
        return head(decode(encode(images, mask), mask).mean(1))

    own = model.predict_view(view(model.encode, model.project, images, mask))
    nothing = Mask.none(GRID).expand(2)
    slow = view(lambda x, _: model.teacher(x), model.teacher.others[0], images, nothing)
    near = (own * slow).sum(1) / own.norm(dim=1) / slow.norm(dim=1)
    torch.testing.assert_close(outcome.terms["view"], -0.1 * near.mean())


def test_the_slow_copy_has_no_gradient_and_follows():
    torch.manual_seed(0)
    model = made("fsfm")
    model(smooth(2)).loss.backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert model.project[0].head.weight.grad.abs().sum() > 0
    before = model.teacher.others[0][1][0].weight.clone()
    list(mv.fit(model, [smooth(2)], steps=3, lr=1e-2))
    assert not torch.equal(model.teacher.others[0][1][0].weight, before)


def test_without_its_terms_it_is_mae_bit_for_bit():
    found = []
    for name, keywords in (("mae", {}), ("fsfm", {"weights": (0.0, 0.0), "hidden": 8, "projection": 8})):
        torch.manual_seed(0)
        found.append(
            getattr(recipes, name)(encoder(name), dim=32, depth=1, **keywords)(
                smooth(2), Mask.random(GRID, seed=0)
            ).loss
        )
    assert torch.equal(*found)
