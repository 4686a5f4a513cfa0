"""HPM: pairs as a loop, the schedule from easy to hard, and a predictor that learns where it is hard."""

import math

import pytest
import torch
from scipy.stats import spearmanr

import mimviz as mv
from mimviz import recipes
from mimviz.core import Mask
from mimviz.grammar.where import Hardest, Highest
from mimviz.recipes.hpm import ranking

from .small import GRID, encoder, made
from .test_invariants import smooth


def flat_and_textured(batch: int, seed: int) -> torch.Tensor:
    """A flat sky over a textured object of 2 x 2 patches."""
    g = torch.Generator().manual_seed(seed)
    images = torch.zeros(batch, 3, 32, 32) + torch.rand(batch, 3, 1, 1, generator=g) * 0.2
    for b in range(batch):
        images[b, :, 16:, 8:24] = torch.randn(3, 16, 16, generator=g)
    return images


def test_ranking_is_the_loop_over_pairs_and_ignores_a_shift():
    g = torch.Generator().manual_seed(0)
    expected, loss = torch.randn(2, 5, generator=g), torch.rand(2, 5, generator=g)
    among = torch.tensor([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]]).bool()
    pairs = [
        math.log(1 + math.exp(float(expected[b, j] - expected[b, i])))
        for b in range(2)
        for i in range(5)
        for j in range(5)
        if among[b, i] and among[b, j] and loss[b, i] > loss[b, j]
    ]
    assert ranking(expected, loss, among).item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-5)
    torch.testing.assert_close(ranking(expected + 7, loss, among), ranking(expected, loss, among))
    assert ranking(expected, torch.ones(2, 5), among) == 0, "no pair, nothing to rank"


def test_masks_go_from_random_to_hard_and_keep_their_number():
    model, images = made("hpm").eval(), flat_and_textured(3, 0)
    where, score = model.where, model.where.score(images, GRID).values.flatten(1)
    assert where.share == 0
    plain = Highest(0.75)(images, GRID, torch.Generator().manual_seed(1))
    assert where(images, GRID, torch.Generator().manual_seed(1)) == plain, "at 0 it is MAE's mask"
    model.teacher.updates += 500
    assert where.share == 0.25
    model.teacher.updates += 5000
    assert where.share == 0.5
    mask = where(images, GRID, torch.Generator().manual_seed(1))
    assert (mask.hidden.sum(1) == 12).all()
    hardest = score.topk(6, dim=1).indices
    assert mask.hidden.gather(1, hardest).all(), "half of the hidden are the hardest"


def test_without_its_term_it_is_mae_bit_for_bit():
    found, images, mask = [], smooth(2), Mask.random(GRID, seed=1)
    for name, keywords in (("mae", {}), ("hpm", {"weight": 0.0}), ("hpm", {})):
        torch.manual_seed(0)
        model = getattr(recipes, name)(encoder(name), dim=32, depth=1, **keywords)
        outcome = model(images, mask)
        outcome.loss.backward()
        found.append((outcome, model.encoder.vit.blocks[0].mlp.fc1.weight.grad))
    (plain, at), (off, same), (whole, other) = found
    assert torch.equal(plain.loss, off.loss) and torch.equal(at, same)
    torch.testing.assert_close(whole.loss - whole.terms["ranking"], plain.loss)
    assert not torch.allclose(other, at), "the ranking reaches the encoder too"


def test_the_predictor_learns_where_it_is_hard():
    """Spearman of predicted and true loss on pictures it has not seen; before training there is none."""

    def agreement(model):
        images = flat_and_textured(24, 99)
        mask = Mask.random(GRID, seed=5, batch=24)
        with torch.no_grad():
            seen, outcome = model.encode(images, mask), model(images, mask)
            expected = model.predictor(seen, mask)[..., 0]
        return spearmanr(expected[mask.hidden], outcome.patch_loss[mask.hidden]).statistic

    def fresh(seed):
        torch.manual_seed(seed)
        return recipes.hpm(encoder("hpm"), dim=32, depth=1, normalize=False, steps=60, momentum=0.9, end=0.9)

    before = sum(agreement(fresh(seed)) for seed in range(8)) / 8  # one alone agrees or disagrees by chance
    model = fresh(0)
    batches = [flat_and_textured(16, seed) for seed in range(20)]
    list(mv.fit(model, batches, steps=150, lr=2e-3))
    after = agreement(model)
    assert abs(before) < 0.3 < after


def test_the_harder_the_schedule_the_more_of_the_object_is_hidden():
    """With a score that is right. What the slow copy says of the whole picture was right in 5 of 8 such toys, reversed in 3."""

    class Oracle:
        teacher = made("hpm").teacher

        def __call__(self, images, grid, generator=None):
            return mv.Heatmap(GRID.patchify(images).std(-1).reshape(-1, 4, 4), by="oracle")

    images = flat_and_textured(24, 7)
    on_object = GRID.patchify(images).std(-1) > 0.3
    shares = []
    for share in (0.0, 0.25, 0.5):
        where = Hardest(Oracle(), 0.5, share, share)
        hidden = torch.stack([where(images, GRID, torch.Generator().manual_seed(s)).hidden for s in range(20)]).float()
        shares.append(hidden.mean(0)[on_object].mean().item())
    assert (
        shares[0] == pytest.approx(0.5, abs=0.05) and shares[0] + 0.1 < shares[1] < shares[2] - 0.1 and shares[2] == 1
    )
