"""Many masks of one picture, and more and more hidden."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.search import search
from mimviz.grammar.sweep import many, sweep
from mimviz.plot import show_many, show_search, show_sweep


@pytest.fixture(scope="module")
def mim():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3)
    return mv.recipes.mae(encoder, dim=16, depth=1, normalize=False)


def test_mean_and_spread_are_those_of_the_guesses(mim):
    masks = Mask.random(mim.grid, ratio=0.75, seed=0, batch=6)
    found = many(mim, "cat", masks, batch=4)
    guesses = [torch.tensor(mim.reconstruct("cat", masks[i]).pasted.array) for i in range(6)]
    for patch in range(16):
        r, c = divmod(patch, 4)
        cut = (slice(8 * r, 8 * r + 8), slice(8 * c, 8 * c + 8))
        rows = [guesses[i][cut] for i in range(6) if masks.hidden[i, patch]]
        assert found.times[r, c] == len(rows)
        stacked = torch.stack(rows)
        torch.testing.assert_close(torch.tensor(found.mean.array[cut]), stacked.mean(0), atol=1e-5, rtol=1e-4)
        spread = stacked.var(0, unbiased=False).mean().sqrt()
        torch.testing.assert_close(found.spread.values[0, r, c], spread, atol=1e-5, rtol=1e-3)


def test_a_patch_never_hidden_shows_the_picture(mim):
    hidden = torch.zeros(2, 16, dtype=torch.bool)
    hidden[:, 3] = True
    found = many(mim, "cat", Mask(hidden, shape=(4, 4)))
    assert (found.mean.array[8:] == found.original.array[8:]).all()
    assert (found.error.values.flatten() > 0).nonzero().flatten().tolist() == [3]
    assert found.spread.values.max() < 1e-3, "the same mask twice: no spread"


def test_the_more_is_hidden_the_harder_it_is():
    tiny = mv.load_mim("tiny")
    found = sweep(tiny, "cat", ratios=(0.1, 0.5, 0.9), masks=4)
    mean = found.loss.mean(1)
    assert found.loss.shape == (3, 4) and mean[0] < mean[1] < mean[2]
    for less, more in zip(found.outcomes, found.outcomes[1:], strict=False):
        assert not (less.mask.hidden & ~more.mask.hidden).any(), "nested"
    assert found.loss[1, 0] == pytest.approx(found.outcomes[1].loss, rel=1e-4)


def test_figures(mim, tmp_path):
    show_many(many(mim, "cat", Mask.random(mim.grid, batch=3))).savefig(tmp_path / "many.png")
    show_sweep(sweep(mim, "cat", ratios=(0.25, 0.75), masks=2)).savefig(tmp_path / "sweep.png")
    found = {wish: search(mim, "cat", wish=wish, rounds=2, swaps=4) for wish in ("worst", "best")}
    show_search(mv.image("cat"), found).savefig(tmp_path / "search.png")
    assert {path.name for path in tmp_path.iterdir()} == {"many.png", "sweep.png", "search.png"}
