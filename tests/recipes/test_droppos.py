"""DropPos: a naive twin with bell and weights, what its loss never sees, and a toy that learns places where there are any."""

import math

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.jigsaw import assembled, seats
from mimviz.grammar.targets import Positions

from .jigsaws import accuracy, gradients
from .small import GRID, encoder, made
from .test_invariants import smooth


@pytest.fixture
def model():
    torch.manual_seed(0)
    return mv.recipes.droppos(encoder("droppos"), dim=32, depth=1, steps=10).eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


@pytest.fixture(scope="module")
def mask():
    """Eight patches hidden; of the eight visible ones six lose their position."""
    hidden = Mask.random(GRID, ratio=0.5, seed=1, batch=2).hidden
    places = (~hidden).cumsum(1) * ~hidden
    return Mask(hidden, (places > 0) & (places < 7), GRID.shape)


def test_the_loss_is_that_of_a_naive_twin(model, mask):
    """After models_DropPos_mae.py, a patch at a time: a bell of σ = 0.7 and the weights of the whole picture."""
    model.updates += 3
    assert model.sigma == pytest.approx(0.7)
    vit, sums, weighed = model.encoder.vit, 0.0, 0.0
    with torch.no_grad():
        outcome = model(images(), mask)
        for b in range(2):
            content = vit.patch_embed(images()[b : b + 1])[0]
            front = vit.cls_token[0] + vit.pos_embed[0, :1]
            whole = vit.norm(vit.blocks(torch.cat([front, content + vit.pos_embed[0, 1:]])[None]))[0]
            alike = [math.exp(float(whole[0] @ w / whole[0].norm() / w.norm()) / 0.1) for w in whole[1:]]
            kept = (~mask.hidden[b]).nonzero()[:, 0].tolist()
            share = {n: alike[n] / sum(alike[k] for k in kept) for n in kept}
            rows = [content[n] + (model.token[0, 0] if mask.predict[b, n] else vit.pos_embed[0, 1 + n]) for n in kept]
            x = vit.norm(vit.blocks(torch.cat([front, torch.stack(rows)])[None]))
            d = model.decoder
            scores = d.head(d.norm(d.blocks(d.embed(x))))[0, 1:]
            for row, n in zip(scores, kept, strict=True):
                if not mask.predict[b, n]:
                    continue
                bell = [math.exp(-((n // 4 - k // 4) ** 2 + (n % 4 - k % 4) ** 2) / 0.7**2) for k in range(16)]
                logs = row.log_softmax(0)
                sums -= share[n] * sum(bell[k] / sum(bell) * float(logs[k]) for k in range(16))
                weighed += share[n]
    assert outcome.loss == pytest.approx(sums / weighed, rel=1e-4)
    assert torch.equal(outcome.where, mask.keep_ids)


def test_no_bell_and_no_weights_is_hard_cross_entropy(mask):
    torch.manual_seed(0)
    model = mv.recipes.droppos(encoder("droppos"), dim=32, depth=1, sigma=0.0, temperature=0).eval()
    outcome = model(images(), mask)
    asked = mask.predict.gather(1, outcome.where)
    torch.testing.assert_close(outcome.loss, F.cross_entropy(outcome.guess[asked], outcome.where[asked]))


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0])
def test_the_bell(sigma):
    table = Positions(Grid(3, 5, 8), sigma).table()
    torch.testing.assert_close(table.sum(1), torch.ones(15))
    if not sigma:
        assert torch.equal(table, torch.eye(15))
    else:
        assert float(table[7, 2] / table[7, 7]) == pytest.approx(math.exp(-1 / sigma**2), rel=1e-4)
        assert float(table[7, 13] / table[7, 7]) == pytest.approx(math.exp(-2 / sigma**2), rel=1e-4, abs=1e-12)
    with pytest.raises(ValueError, match=r"sigma is -1\.0"):
        Positions(GRID, -1.0)


def test_patches_that_kept_their_position_and_hidden_ones_have_no_part_in_it(mask):
    """No gradient at the guesses of the first; other pixels in the second change MAE's loss and not this one."""
    torch.manual_seed(0)
    model, seen = mv.recipes.droppos(encoder("droppos"), dim=32, depth=1, temperature=0).eval(), []
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    loss = model(images(), mask).loss
    loss.backward()
    asked = mask.predict.gather(1, mask.keep_ids)
    assert (seen[0].grad[~asked] == 0).all() and seen[0].grad[asked].any(-1).all()
    patches = GRID.patchify(images())
    other = GRID.unpatchify(torch.where(mask.hidden[..., None], torch.randn_like(patches), patches))
    assert torch.equal(model(other, mask).loss, loss)
    hidden = Mask(mask.hidden, None, GRID.shape)
    assert made("mae").eval()(other, hidden).loss != made("mae").eval()(images(), hidden).loss


def test_without_positions_order_means_nothing(model):
    """All positions dropped: patches put to other visible places take their guesses along."""
    hidden = Mask.random(GRID, ratio=0.5, seed=1).hidden
    mask = Mask(hidden, ~hidden, GRID.shape)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    patches, ids = GRID.patchify(images()[:1]), mask.keep_ids[0]
    moved = patches.clone()
    moved[0, ids] = patches[0, ids[order]]
    a, b = model(images()[:1], mask).guess, model(GRID.unpatchify(moved), mask).guess
    torch.testing.assert_close(b[0], a[0, order], atol=1e-5, rtol=1e-5)
    some = Mask(hidden, mask.predict & (torch.arange(16) > 7), GRID.shape)
    c, d = model(images()[:1], some).guess, model(GRID.unpatchify(moved), some).guess
    assert not torch.allclose(d[0], c[0, order], atol=1e-3), "with some positions it does"


def test_how_many_lose_their_position():
    """3 of 4 visible ones, of 16 with 12 hidden; in training others each time, else always the same."""
    model = made("droppos")
    drawn = [model(smooth(2), Mask.random(GRID, seed=0)).mask.predict for _ in range(2)]
    assert drawn[0].sum(1).tolist() == [3, 3] and not torch.equal(*drawn)
    model.eval()
    again = [model(smooth(2), Mask.random(GRID, seed=0)).mask.predict for _ in range(2)]
    assert torch.equal(*again) and not (again[0] & Mask.random(GRID, seed=0).hidden).any()
    list(mv.fit(model, [smooth(2)], steps=3, lr=1e-3))
    assert int(model.updates) == 3


def test_a_toy_learns_places_where_there_are_any():
    """Gradients of any colour: far above 1 / 16. Pictures of one colour: no more than those who know the others' places could."""
    torch.manual_seed(0)
    model = mv.recipes.droppos(encoder("droppos"), dim=32, depth=1, steps=100, ratio=0.5)
    list(mv.fit(model, gradients(8), steps=130, lr=3e-3))
    mask = Mask.random(GRID, ratio=0.5, seed=0, batch=64)
    assert accuracy(model, gradients(2, seed=1)[0].repeat(2, 1, 1, 1), mask) > 0.4
    flat = torch.randn(64, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 32, 32)
    assert accuracy(model, flat, mask) < 0.15


def test_seats_are_the_best_of_all_and_nobody_sits_on_another():
    from itertools import permutations

    logs = torch.randn(1, 5, 5, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    best = max(permutations(range(5)), key=lambda p: float(sum(logs[0, i, k] for i, k in enumerate(p))))
    assert seats(logs)[0].tolist() == list(best)
    logs[0, 1] = torch.nan
    found = seats(logs)[0].tolist()
    assert found[1] == -1 and len(set(found)) == 5


def test_a_jigsaw_is_put_together(model, mask):
    """Who knows every place gets the picture back, but for hidden patches; kept positions are never moved."""
    found = model.positions(images(), mask)
    assert found.isnan().all(-1).equal(mask.hidden)
    kept = ~mask.hidden & ~mask.predict
    places = model.seats(images(), mask)
    assert torch.equal(places[kept], torch.arange(16).expand(2, -1)[kept]) and (places[mask.hidden] == -1).all()
    whole = assembled(images(), torch.arange(16).expand(2, -1), GRID)
    assert torch.equal(whole, images())
    swapped = assembled(images(), torch.arange(16).flip(0).expand(2, -1), GRID)
    assert torch.equal(GRID.patchify(swapped), GRID.patchify(images()).flip(1))
    seen = GRID.patchify(model.assembled(images(), mask))
    assert (seen.abs().sum(-1) == 0).sum(1).tolist() == [8, 8]
    drawn = Positions(GRID).draw(torch.eye(16)[None])[0]
    assert drawn[3, 0].tolist() == [1, 0, 0.25] and drawn[0, 3].tolist() == [0, 1, 0.25]


def test_encoders_that_it_cannot_take():
    bare = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, class_token=False, global_pool="avg")
    with pytest.raises(TypeError, match="temperature=0"):
        mv.recipes.droppos(bare)
    assert torch.isfinite(mv.recipes.droppos(bare, temperature=0, dim=32, depth=1)(images()).loss)
    with pytest.raises(TypeError, match="table of positions"):
        mv.recipes.droppos(mv.encoder("resnet18", img_size=32))
