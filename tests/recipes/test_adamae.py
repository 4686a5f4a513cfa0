"""AdaMAE: the sampling loss by hand, whom its gradient reaches, and a sampler that finds the hard patches."""

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.core import Mask

from .small import GRID, encoder, made
from .test_invariants import smooth


def corner(batch: int, seed: int) -> torch.Tensor:
    """Flat pictures with one noisy patch in the middle of the grid."""
    g = torch.Generator().manual_seed(seed)
    images = torch.zeros(batch, 3, 32, 32)
    images[:, :, 8:16, 16:24] = torch.randn(batch, 3, 8, 8, generator=g) * 2
    return images


def test_the_sampling_loss_by_hand():
    torch.manual_seed(0)
    model, images = made("adamae"), smooth(2)
    outcome = model(images)
    content = model.encoder.embed(images)
    p = model.sampler(content, Mask.none(GRID).expand(2))[..., 0].softmax(-1)
    total = [
        -p[b, n].log().item() * outcome.patch_loss[b, n].item()
        for b in range(2)
        for n in outcome.mask.hidden_ids[b].tolist()
    ]
    assert outcome.terms["sampling"].item() == pytest.approx(1e-4 * sum(total) / len(total), rel=1e-4)
    assert (outcome.mask.hidden.sum(1) == 12).all()


def test_gradients_of_the_term_reach_the_sampler_alone():
    model = made("adamae")
    model(smooth(2)).terms["sampling"].backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched and all(name.startswith("sampler.") for name in touched)


def test_with_no_weight_the_sampler_stays_and_the_loss_is_maes():
    torch.manual_seed(0)
    model = recipes.adamae(encoder("adamae"), dim=32, depth=1, sampler=32, weight=0.0)
    torch.manual_seed(0)
    plain = recipes.mae(encoder("mae"), dim=32, depth=1)
    mask = Mask.random(GRID, seed=0)
    assert torch.equal(model(smooth(2), mask).loss, plain(smooth(2), mask).loss)
    model(smooth(2)).loss.backward()
    assert all(p.grad is None or not p.grad.abs().sum() for p in model.sampler.parameters())


def test_patches_are_seen_as_often_as_their_probability_says():
    model, images = made("adamae"), smooth(1)
    logs = torch.log_softmax(torch.arange(16.0)[None] / 4, -1)
    counts = torch.zeros(16)
    where = type(model.where)(model.encoder, model.sampler, 15 / 16)  # one is seen
    for seed in range(4000):
        counts += ~where.pick(logs, GRID, torch.Generator().manual_seed(seed)).hidden[0]
    assert (counts / 4000 - logs[0].exp()).abs().max() < 0.03
    assert where(images, GRID, torch.Generator().manual_seed(0)) == where(
        images, GRID, torch.Generator().manual_seed(0)
    )


def test_a_planted_patch_is_found():
    """One patch cannot be guessed: after training it is seen more than three times as often as chance."""
    torch.manual_seed(0)
    model = recipes.adamae(encoder("adamae"), dim=32, depth=1, sampler=32, normalize=False, weight=0.03)
    batches = [corner(16, seed) for seed in range(20)]
    list(mv.fit(model, batches, steps=120, lr=2e-3))
    p = model.where.logs(model.encoder.embed(corner(8, 77))).exp().mean(0)
    assert p[1 * 4 + 2] > 3 / 16 and p.argmax() == 1 * 4 + 2
