"""MACRL: MAE with L1 where nothing is contrasted, SimCLR where nothing is reconstructed, and two different branches."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.losses import absolute

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.75, seed=1, batch=3)


def model(**keywords):
    torch.manual_seed(0)
    return mv.recipes.macrl(encoder("macrl"), dim=32, depth=1, out=16, **keywords).eval()


def test_without_contrast_it_is_mae_with_l1_bit_for_bit():
    macrl, images = model(contrast=0, ratio=0.75, weak=0.5), smooth(3)
    mae = mv.recipes.mae(macrl.encoder, dim=32, depth=1).eval()
    mae.decoder.load_state_dict(macrl.decoder.state_dict())
    mae.loss = absolute
    found, plain = macrl(images, MASK), mae(images, MASK)
    assert torch.equal(found.guess, plain.guess) and torch.equal(found.patch_loss, plain.patch_loss)
    two = macrl.weak(images, GRID, torch.Generator().manual_seed(0))
    assert list(found.terms) == ["weak view"] and torch.equal(found.terms["weak view"], mae(images, two).loss)
    assert two.count == 8 and found.mask.count == 12
    squared = mv.recipes.mae(macrl.encoder, dim=32, depth=1)
    assert squared.loss is not absolute


def naive_nt_xent(a, b, tau):
    z = [row / row.norm() for row in (*a, *b)]
    total = 0.0
    for i, row in enumerate(z):
        partner = (i + len(a)) % len(z)
        others = sum(math.exp(float(row @ each) / tau) for j, each in enumerate(z) if j != i)
        total -= math.log(math.exp(float(row @ z[partner]) / tau) / others)
    return total / len(z)


def test_without_reconstruction_and_with_equal_ratios_it_is_simclr():
    macrl, images = model(pixels=0, ratio=0.5, weak=0.5), smooth(3)
    mask = macrl.weak(images, GRID, torch.Generator().manual_seed(0))
    outcome = macrl(images, Mask.random(GRID, ratio=0.5, seed=4, batch=3))
    with torch.no_grad():
        views = [
            torch.stack([macrl.projector(macrl.encode(images[i : i + 1], each[i])[0, 1:].mean(0)) for i in range(3)])
            for each in (outcome.mask, mask)
        ]
    assert list(outcome.terms) == ["contrast"] and not outcome.patch_loss.any()
    assert outcome.loss.item() == pytest.approx(naive_nt_xent(*views, tau=0.2), rel=1e-4)


def test_both_terms_add_up():
    images, macrl = smooth(3), model(contrast=0.5, pixels=2.0)
    both = macrl(images, MASK).detached()
    macrl.contrast, macrl.pixels = 1.0, 1.0
    plain = macrl(images, MASK).detached()
    wanted = 2 * plain.patch_loss[MASK.hidden].mean() + 2 * plain.terms["weak view"] + 0.5 * plain.terms["contrast"]
    assert both.loss == pytest.approx(float(wanted), rel=1e-5)


def test_the_branches_differ_in_training():
    """The strong branch hides more and changes colours; views are new in every step and no view is the picture."""
    macrl, images = model().train(), smooth(3)
    seen = []
    macrl.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    one, two = macrl(images), macrl(images)
    assert seen == [4, 8, 4, 8]
    assert not torch.equal(one.truth, two.truth) and not torch.equal(one.view.images, images)
    given = macrl(images, MASK)
    assert torch.equal(given.view.images, images)


def test_the_contrast_reaches_the_encoder_and_not_the_decoder():
    macrl = model().train()
    macrl(smooth(3)).terms["contrast"].backward()
    touched = {name.split(".")[0] for name, p in macrl.named_parameters() if p.grad is not None and p.grad.any()}
    assert touched == {"encoder", "projector"}


def test_similarity_finds_its_own_picture_after_training():
    macrl = model(contrast=1.0, pixels=0.0)
    images = torch.randn(8, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 32, 32) + 0.1 * smooth(
        8
    )
    list(mv.fit(macrl, [images], steps=40, lr=3e-3, warmup=0))
    found = macrl.similarity(images)
    assert found.shape == (8, 8) and (found.abs() <= 1 + 1e-6).all()
    assert (found.argmax(1) == torch.arange(8)).float().mean() > 0.7
    assert made("macrl").similarity(images, MASK[0]).shape == (8, 8)
