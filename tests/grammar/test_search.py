"""Mask search keeps its ratio, repeats under a seed, and beats random masks of the same cost."""

from itertools import pairwise

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.search import losses, search, searching


@pytest.fixture(scope="module")
def tiny():
    return mv.load_mim("tiny")


@pytest.mark.parametrize("wish", ["worst", "best"])
def test_better_than_the_best_of_as_many_random_masks(tiny, wish):
    """12 rounds of 16 swaps against 193 random masks of the same ratio."""
    found = search(tiny, "cat", wish=wish, rounds=12, swaps=16, seed=0)
    assert found.tried == 193 and found.mask.count == 192
    random = losses(tiny, tiny.prepare("cat"), Mask.random(tiny.grid, ratio=0.75, seed=1, batch=193))
    rival = random.max() if wish == "worst" else random.min()
    assert (found.loss > rival) if wish == "worst" else (found.loss < rival)
    told = tiny.reconstruct("cat", found.mask)
    assert told.loss == pytest.approx(found.loss, rel=1e-4), "the loss is that of the mask it gives"


def test_it_never_gets_worse_and_repeats():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3)
    model = mv.recipes.mae(encoder, dim=16, depth=1).train()
    way = list(searching(model, "cat", wish="best", ratio=0.5, rounds=8, swaps=8, seed=4))
    assert [a.loss >= b.loss for a, b in pairwise(way)] == [True] * 7 and way[0].start >= way[-1].loss
    again = list(searching(model, "cat", wish="best", ratio=0.5, rounds=8, swaps=8, seed=4))
    assert [a.mask for a in way] == [b.mask for b in again] and model.training
    assert {each.mask.count for each in way} == {8}


def test_losses_of_masks_that_hide_unequal_numbers(tiny):
    masks = [Mask.random(tiny.grid, ratio=ratio, seed=2) for ratio in (0.5, 0.75, 0.5)]
    together = losses(
        tiny, tiny.prepare("cat"), Mask(torch.cat([mask.hidden for mask in masks]), shape=tiny.grid.shape)
    )
    assert together.tolist() == pytest.approx([tiny.reconstruct("cat", mask).loss for mask in masks], rel=1e-4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"wish": "bad"}, "'worst' or 'best'"), ({"ratio": 1.0}, "nothing to exchange"), ({"rounds": 0}, "at least one")],
)
def test_wishes_that_cannot_be(tiny, wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        search(tiny, "cat", **wrong)
