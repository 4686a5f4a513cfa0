"""CAPI: scaling by hand, a naive twin of both losses, queries that do not know of each other, and what balance is for."""

import math

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.data import crops
from mimviz.grammar.sinkhorn import balanced
from mimviz.grammar.where import InverseBlock

from .small import GRID, encoder, made


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee", "rocket")])


@pytest.fixture
def model():
    """In training, with a copy that differs from the student."""
    model = made("capi").train()
    for p in model.teacher.encoder.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return model


def scaled(logs, rounds):
    """Equation by equation, with plain numbers: columns to 1, rows to 1."""
    table = [[math.exp(x) for x in row] for row in logs.tolist()]
    for _ in range(rounds):
        columns = [sum(row[k] for row in table) for k in range(len(table[0]))]
        table = [[x / columns[k] for k, x in enumerate(row)] for row in table]
        table = [[x / sum(row) for x in row] for row in table]
    return torch.tensor(table)


def test_scaling_makes_rows_of_one_and_equal_columns():
    logs = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(balanced(logs).float(), scaled(logs, 3))
    found = balanced(logs, rounds=60)
    torch.testing.assert_close(found.sum(1), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(found.sum(0), torch.full((5,), 12 / 5, dtype=torch.float64), atol=1e-3, rtol=0)
    extreme = balanced(logs * 300)
    assert torch.isfinite(extreme).all() and extreme.sum(1).allclose(torch.ones(12, dtype=torch.float64))


@pytest.mark.parametrize("balance", ["position", "batch", "none"])
def test_both_losses_are_those_of_a_naive_twin(model, balance):
    """After train_capi.py: scores of directions, scaling for each place or over all, two cross-entropies at 0.12."""
    model.target.balance, mask = balance, Mask.random(GRID, ratio=0.6, seed=1, batch=3)
    layer, d = model.target.layer, model.decoder
    with torch.no_grad():
        outcome = model(images(), mask)
        tokens = model.teacher.encoder.vit.forward_features(images())[:, 1:]
        scores = torch.stack([torch.stack([layer.weight @ (t / t.norm()) + layer.bias for t in row]) for row in tokens])
        if balance == "position":
            truth = torch.stack([scaled(scores[:, n] / 0.06, 3) for n in range(16)], 1)
        elif balance == "batch":
            truth = scaled(scores.flatten(0, 1) / 0.06, 3).unflatten(0, (3, 16))
        else:
            truth = (scores / 0.06).softmax(-1)
        own = -(truth * (scores / 0.12).log_softmax(-1)).sum(-1).mean()
        seen, losses = model.encode(images(), mask), []
        for b in range(3):
            for n in mask.hidden[b].nonzero()[:, 0].tolist():
                x = (d.token + d.positions[:, n : n + 1])[0]
                for block in d.blocks:
                    x = x + block.cross(block.norm1(x)[None], seen[b : b + 1])[0]
                    x = x + block.mlp(block.norm2(x))
                x = d.norm(x)[0]
                cosines = torch.stack([x @ w / x.norm() / w.norm() for w in d.head.weight])
                losses.append(-(truth[b, n] * (cosines / 0.12).log_softmax(0)).sum())
    torch.testing.assert_close(outcome.terms["clusters"], own, atol=1e-4, rtol=1e-4)
    assert float(outcome.loss) == pytest.approx(float(torch.stack(losses).mean() + own), rel=1e-4)


def test_a_prediction_knows_nothing_of_the_others(model):
    model.eval()
    mask = Mask.random(GRID, ratio=0.6, seed=1)
    fewer = Mask(mask.hidden, mask.hidden & (torch.arange(16) != int(mask.hidden_ids[0, 2])), GRID.shape)
    a, b = model(images()[:1], mask), model(images()[:1], fewer)
    assert b.guess.shape[1] == a.guess.shape[1] - 1
    torch.testing.assert_close(b.guess[0], torch.cat([a.guess[0, :2], a.guess[0, 3:]]), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(
        model.predict(images()[:1], mask).gather(1, a.where[..., None].expand_as(a.guess)), a.guess
    )


def test_who_learns_from_which_loss(model):
    """The clusters' term moves their layer alone, the prediction everything but it; the copy follows and is never trained."""
    outcome = model(images(), Mask.random(GRID, ratio=0.6, seed=1, batch=3))
    outcome.terms["clusters"].backward(retain_graph=True)
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"target.layer.weight", "target.layer.bias"}
    model.zero_grad()
    outcome.patch_loss.mean().backward()
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {"encoder", "decoder"} and model.target.layer.weight.grad is None
    model.teacher.start = model.teacher.end = 0.9
    before = model.teacher.encoder.vit.pos_embed.clone()
    model.after_step()
    wanted = 0.9 * before + 0.1 * model.encoder.vit.pos_embed
    torch.testing.assert_close(model.teacher.encoder.vit.pos_embed, wanted)


def test_pixels_of_hidden_patches_matter_only_through_what_the_copy_sees(model):
    """Unlike MAE's, the loss does not change with a hidden patch whose cluster stays."""
    model.eval()
    mask, hidden = Mask.random(GRID, ratio=0.6, seed=1), 0
    patches = GRID.patchify(images()[:1])
    other = GRID.unpatchify(torch.where(mask.hidden[..., None], patches.flip(-1), patches))
    a, b = model(images()[:1], mask), model(other, mask)
    assert torch.equal(a.guess, b.guess) and not torch.equal(a.truth, b.truth)
    frozen = a.truth
    model.target.both = lambda pictures: (model.target(images()[:1]), torch.zeros(()))
    c, d = model(images()[:1], mask), model(other, mask)
    assert torch.equal(c.patch_loss, d.patch_loss) and torch.equal(c.truth, frozen) and hidden == 0


def test_ids_and_colours_of_clusters():
    model = made("capi").eval()
    ids, rows = model.target.ids(images()), model.target(images())
    assert ids.shape == (3, 16) and torch.equal(ids, rows.argmax(-1)) and model.target.count == 16
    torch.testing.assert_close(rows.sum(-1), torch.ones(3, 16))
    drawn = model.target.draw(rows)
    assert drawn.shape == (3, 4, 4, 3) and torch.equal(drawn, model.target.draw(F.one_hot(ids, 16).float()))
    with pytest.raises(ValueError, match="balance is 'much'"):
        mv.recipes.capi(encoder("capi"), balance="much")


# --- the mask ---


@pytest.mark.parametrize("grid", [Grid(14, 14, 16), Grid(8, 12, 8), Grid(4, 4, 8)], ids=str)
def test_what_is_seen_is_a_block(grid):
    """Exactly N − ⌊0.65 N⌋ patches in each picture; without rolling a rectangle whose last row may be short."""
    drawn = InverseBlock(roll=False)(torch.zeros(40, 3, 1, 1), grid, torch.Generator().manual_seed(0))
    count = grid.count - int(grid.count * 0.65)
    for seen in (~drawn.hidden).unflatten(1, grid.shape):
        rows, cols = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
        height, width = int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1
        assert seen.sum() == count and (height - 1) * width < count <= height * width
        assert 0.4 <= height / width <= 2.5, "1 / 2 .. 2, sides rounded up"
    assert len({tuple(row.tolist()) for row in drawn.hidden}) > 10


def test_rolled_blocks_see_the_border_as_often_as_the_middle():
    grid, generator = Grid(8, 8, 8), torch.Generator().manual_seed(0)
    often = {
        roll: (~InverseBlock(roll=roll)(torch.zeros(600, 3, 1, 1), grid, generator).hidden)
        .float()
        .mean(0)
        .unflatten(0, (8, 8))
        for roll in (True, False)
    }
    assert float(often[True].std()) < 0.03 and float(often[False][3:5, 3:5].mean() / often[False][0, 0]) > 3
    assert [InverseBlock(ratio)(torch.zeros(1, 3, 1, 1), grid).count for ratio in (0.0, 1.0)] == [0, 64]
    with pytest.raises(ValueError, match="ratio is 2"):
        InverseBlock(2.0)


# --- what balance is for ---


def usage(balance, seed=0):
    """Entropy of the clusters that patches of pictures get after a short training, 1 = all alike."""
    pictures = crops(32, 32, each=8).float() / 127.5 - 1
    pictures = pictures[torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))]
    torch.manual_seed(seed)
    model = mv.recipes.capi(encoder("capi"), clusters=64, dim=32, depth=1, balance=balance, momentum=0.8, end=0.8)
    list(mv.fit(model, list(pictures.split(26)), steps=80, lr=3e-2))
    share = model.target.ids(pictures).flatten().bincount(minlength=64) / (len(pictures) * 16)
    return float(-torch.xlogy(share, share).sum() / math.log(64))


def test_without_balance_a_toy_collapses():
    assert usage("none") < 0.2 and usage("batch") > 0.8
