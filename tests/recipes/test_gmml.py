"""GMML: groups, kinds of corruption, and what a short training recovers."""

import pytest
import torch
from scipy import ndimage

import mimviz as mv
from mimviz.core import Grid, Mask
from mimviz.grammar.how import Corrupt
from mimviz.grammar.where import Groups

from .small import GRID, encoder, made
from .test_invariants import smooth

BIG = Grid(14, 14, 16)


def pixels(grid, patches):
    return patches.unflatten(1, grid.shape)[:, None].repeat_interleave(grid.patch, 2).repeat_interleave(grid.patch, 3)


def two_patterns(count):
    """Pictures that are sums of two fixed patterns of coloured patches: any few patches tell the rest."""
    g = torch.Generator().manual_seed(0)
    patterns = torch.randn(2, 3, 4, 4, generator=g).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return torch.einsum("bk,kchw->bchw", torch.randn(count, 2, generator=g), patterns)


def test_shares_stay_within_a_block_and_groups_grow_with_their_side():
    images, seeds = torch.zeros(64, 3, 1, 1), [torch.Generator().manual_seed(0) for _ in range(3)]
    half = Groups(0.7, least=0.5)(images, BIG, seeds[0]).hidden.float().mean(1)
    assert half.min() >= 0.5 and half.max() <= 0.7 + 16 / 196 and half.std() > 0.02

    def mean_group(largest, generator):
        masks = Groups(0.3, least=0.3, largest=largest)(images, BIG, generator).hidden.unflatten(1, BIG.shape)
        return sum(int(mask.sum()) / ndimage.label(mask)[1] for mask in masks) / len(masks)

    assert mean_group(0.4, seeds[2]) > 2 * mean_group(0.1, seeds[1])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Groups(1.2)


@pytest.mark.parametrize("kind", ["zeros", "noise", "alien", "grey", "blur"])
def test_outside_the_mask_nothing_changes_and_inside_it_is_what_it_says(kind):
    images, mask = torch.randn(3, 3, 32, 32), Mask.random(GRID, ratio=0.5, seed=2, batch=3)
    spoilt = Corrupt(GRID, (kind,))(images, mask, torch.Generator().manual_seed(1))
    at = pixels(GRID, mask.hidden).expand_as(images)
    assert torch.equal(spoilt[~at], images[~at]) and not torch.equal(spoilt[at], images[at])
    mates = [images.roll(by, 0) for by in (1, 2)]
    grey = images.mean(1, keepdim=True).expand_as(images)
    assert {
        "zeros": lambda: (spoilt[at] == 0).all(),
        "noise": lambda: abs(spoilt[at].std() - 1) < 0.1,
        "alien": lambda: any(torch.equal(spoilt[at], mate[at]) for mate in mates),
        "grey": lambda: torch.equal(spoilt[at], grey[at]),
        "blur": lambda: spoilt[at].std() < 0.5 * images[at].std(),
    }[kind]()


def test_a_connected_group_has_one_kind():
    mask = Groups(0.4, least=0.4)(torch.zeros(20, 3, 1, 1), BIG, torch.Generator().manual_seed(0))
    chosen = Corrupt(BIG, ("zeros", "noise", "grey")).choose(mask, torch.Generator().manual_seed(0))
    assert ((chosen >= 0) == mask.hidden).all() and len(chosen.unique()) == 4
    for hidden, kinds in zip(mask.hidden.unflatten(1, BIG.shape), chosen.unflatten(1, BIG.shape), strict=True):
        numbers, count = ndimage.label(hidden)
        assert all(len(kinds[torch.from_numpy(numbers == n)].unique()) == 1 for n in range(1, count + 1))
    with pytest.raises(ValueError, match="are wanted"):
        Corrupt(BIG, ("smoke",))


def test_noise_repeats_outside_training_and_hides_what_was_there():
    torch.manual_seed(0)
    model, mask = mv.recipes.gmml(encoder("gmml")).eval(), Mask.random(GRID, ratio=0.5, seed=1)
    images = torch.randn(1, 3, 32, 32)
    other = torch.where(pixels(GRID, mask.hidden), torch.randn_like(images), images)
    assert torch.equal(model(images, mask).guess, model(other, mask).guess)
    assert not torch.equal(model.train()(images, mask).guess, model(images, mask).guess)


def test_the_loss_is_l1_of_what_was_spoilt():
    model, images, mask = made("gmml"), smooth(2), Mask.random(GRID, ratio=0.5, seed=1)
    outcome = model(images, mask)
    naive = (GRID.unpatchify(outcome.guess) - images).abs()[pixels(GRID, mask.hidden.expand(2, -1)).expand_as(images)]
    torch.testing.assert_close(outcome.loss, naive.mean())


def test_a_short_training_beats_the_mean_colour():
    torch.manual_seed(0)
    images = two_patterns(96)
    model = mv.recipes.gmml(encoder("gmml"), kinds=("zeros",), ratio=0.5, depth=0)
    list(mv.fit(model, list(images[:64].split(32)), steps=150, lr=3e-3, warmup=10))
    held = images[64:]
    mask = Groups(0.3, least=0.2)(held, GRID, torch.Generator().manual_seed(1))
    with torch.no_grad():
        guess = GRID.unpatchify(model(held, mask).guess)
    at = pixels(GRID, mask.hidden).expand_as(held)
    mean = held.mean((2, 3), keepdim=True).expand_as(held)
    assert (guess - held).abs()[at].mean() < 0.95 * (held - mean).abs()[at].mean()


def test_it_differs_from_mae_in_what_the_encoder_sees():
    model = made("gmml")
    images, mask = smooth(2), Mask.random(GRID, ratio=0.5, seed=1)
    assert model.encode(images, mask).shape[1] == 17, "no patch is left out"
    assert not any(name.endswith("token") and "cls" not in name for name, _ in model.named_parameters())
