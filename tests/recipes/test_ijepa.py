"""I-JEPA's blocks, its predictor block by block, and its target."""

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.where import MultiBlock
from mimviz.recipes import ijepa

from .small import GRID, made
from .test_invariants import smooth

LARGE = Grid(14, 14, 16)


def test_hidden_and_predict_are_two_facts():
    mask, blocks = MultiBlock().draw(torch.zeros(8, 3, 1, 1), LARGE, torch.Generator().manual_seed(0))
    assert torch.equal(mask.predict, blocks.any(1))
    assert not (mask.predict & ~mask.hidden).any(), "what is predicted was never seen"
    assert (mask.hidden & ~mask.predict).any(), "some hidden patches are not asked for"
    assert len(set((~mask.hidden).sum(1).tolist())) == 1


@pytest.mark.parametrize("seed", range(5))
def test_blocks_are_rectangles_of_the_papers_size(seed):
    _, blocks = MultiBlock().draw(torch.zeros(3, 3, 1, 1), LARGE, torch.Generator().manual_seed(seed))
    areas = set()
    for block in blocks.reshape(-1, 14, 14):
        rows, cols = block.any(1), block.any(0)
        assert block.sum() == rows.sum() * cols.sum(), "a full rectangle"
        areas.add((int(rows.sum()), int(cols.sum())))
    assert len(areas) == 1, "one size for the batch"
    height, width = areas.pop()
    assert (
        0.12 <= height * width / 196 <= 0.23 and 0.6 <= height / width <= 1.7
    )  # 0.15..0.2 and 0.75..1.5, sides rounded


def test_as_much_is_seen_as_in_a_simulation_of_the_paper():
    """One picture at a time, section 3 once more with numpy: a square of 85..100 % less four blocks."""
    rng, naive = np.random.default_rng(0), []
    for _ in range(400):
        area, ratio = int(196 * rng.uniform(0.15, 0.2)), rng.uniform(0.75, 1.5)
        height, width = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        side = min(round(int(196 * rng.uniform(0.85, 1)) ** 0.5), 13)
        seen = np.zeros((14, 14), bool)
        top, left = rng.integers(15 - side, size=2)
        seen[top : top + side, left : left + side] = True
        for _ in range(4):
            top, left = rng.integers(15 - height), rng.integers(15 - width)
            seen[top : top + height, left : left + width] = False
        naive.append(seen.mean())
    generator = torch.Generator().manual_seed(0)
    ours = [1 - MultiBlock()(torch.zeros(1, 3, 1, 1), LARGE, generator).ratio for _ in range(400)]
    assert np.mean(ours) == pytest.approx(np.mean(naive), abs=4 * np.std(naive) * (2 / 400) ** 0.5)


@pytest.mark.parametrize("grid", [Grid(2, 2, 8), Grid(3, 7, 8), Grid(1, 9, 8)], ids=str)
def test_small_grids(grid):
    mask = MultiBlock()(torch.zeros(50, 3, 1, 1), grid, torch.Generator().manual_seed(0))
    assert mask.predict.any(1).all() and (~mask.hidden).any(1).all()


def test_blocks_that_leave_nothing_to_see():
    with pytest.raises(ValueError, match="leave nothing to see of 1 x 1"):
        MultiBlock()(torch.zeros(1, 3, 1, 1), Grid(1, 1, 8))
    with pytest.raises(ValueError, match="smaller ones"):
        MultiBlock(60, (0.5, 0.5))(torch.zeros(1, 3, 1, 1), Grid(4, 4, 8), torch.Generator().manual_seed(0))


def test_the_predictor_sees_context_and_one_block_and_nothing_else():
    """A prediction for a block does not change with the other blocks; naive twin: the predictor on these tokens alone."""
    model, images = made("ijepa").eval(), smooth(2)
    mask = Mask.random(GRID, ratio=0.5, seed=0).expand(2)
    seen, p = model.encode(images, mask), model.decoder
    ids = mask.hidden_ids[:, :3]
    table = p.positions[0]
    for b in range(2):
        kept = [p.positions[0, 0], *(table[1 + n] for n in mask.keep_ids[b].tolist())]
        tokens = [p.embed(seen[b, i]) + at for i, at in enumerate(kept)]
        tokens += [p.token[0, 0] + table[1 + n] for n in ids[b].tolist()]
        naive = p.head(p.norm(p.blocks(torch.stack(tokens)[None])))[0, -3:]
        torch.testing.assert_close(p.some(seen, mask, ids)[b], naive, atol=1e-5, rtol=1e-5)


def test_all_hidden_patches_as_one_block_is_the_decoder():
    model, images = made("ijepa").eval(), smooth(2)
    mask = Mask.random(GRID, ratio=0.5, seed=0).expand(2)
    outcome, seen = model(images, mask), model.encode(images, mask)
    one = model.decoder.some(seen, mask, mask.hidden_ids)
    every = outcome.guess.gather(1, mask.hidden_ids[..., None].expand_as(one))
    torch.testing.assert_close(one, every, atol=1e-5, rtol=1e-5)


def test_the_loss_is_over_blocks_against_the_slow_copy():
    torch.manual_seed(0)
    model, images = made("ijepa"), smooth(3)
    outcome = model(images)
    whole = model.teacher.encoder.vit.forward_features(images)[:, 1:]
    truth = torch.nn.functional.layer_norm(whole, whole.shape[-1:])
    rows = torch.stack([truth[b, outcome.where[b]] for b in range(3)])
    torch.testing.assert_close(outcome.truth, rows)
    naive = torch.nn.functional.smooth_l1_loss(outcome.guess, rows)
    torch.testing.assert_close(outcome.loss, naive)
    assert set(outcome.where[0].tolist()) == set(outcome.mask.predict[0].nonzero()[:, 0].tolist())


def test_momentum_ends_at_one_and_gradients_reach_no_pixels():
    model = ijepa(made("ijepa").encoder, dim=32, depth=1, steps=4)
    list(mv.fit(model, [smooth(2)], steps=4, lr=1e-3))
    assert model.teacher.momentum == 1.0
    assert model.target.width == model.encoder.width, "features, not the 192 numbers of a patch"
