"""Naive twin of data2vec's target and loss; what sets it apart from SimMIM."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes import data2vec, simmim

from .small import GRID, made
from .test_invariants import smooth


def test_the_loss_is_the_papers():
    """Section 3.3, with loops: y = mean of the last K blocks, each normed; smooth L1 on hidden patches."""
    model, images, mask = made("data2vec"), smooth(2), Mask.random(GRID, ratio=0.5, seed=3)
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.add_(0.02 * torch.randn_like(p))  # the teacher is another model now
    outcome = model(images, mask)
    teacher = model.teacher.encoder
    _, blocks = teacher.vit.forward_intermediates(images, indices=[0, 1], norm=False, output_fmt="NLC")
    total, count = 0.0, 0
    for b in range(2):
        for n in mask.hidden_ids[0].tolist():
            rows = [each[b, n] for each in blocks]
            y = sum((row - row.mean()) / (row.var(unbiased=False) + 1e-5).sqrt() for row in rows) / 2
            for guess, truth in zip(outcome.guess[b, n].tolist(), y.tolist(), strict=True):
                far = abs(guess - truth)
                total += far**2 / 4 if far <= 2 else far - 1
                count += 1
    assert outcome.loss.item() == pytest.approx(total / count, rel=1e-4)


def test_targets_are_of_the_whole_picture_and_carry_no_gradient():
    model, images = made("data2vec"), smooth(2)
    a, b = (model(images, Mask.random(GRID, ratio=r, seed=1)) for r in (0.3, 0.8))
    assert torch.equal(a.truth, b.truth), "whatever is hidden from the student"
    assert not a.truth.requires_grad and a.guess.requires_grad


def test_distinct_from_simmim():
    """The same sentence but for target, loss and mask: the gradient in the encoder points elsewhere."""
    mask, images, found = Mask.random(GRID, ratio=0.5, seed=0), smooth(2), {}
    for recipe in (simmim, data2vec):
        torch.manual_seed(0)
        encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3)
        model = recipe(encoder)
        model(images, mask).loss.backward()
        found[recipe] = torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None])
    angle = torch.cosine_similarity(found[simmim], found[data2vec], dim=0)
    assert abs(angle) < 0.5


def test_a_teacher_that_does_not_move_is_never_followed():
    model = data2vec(made("data2vec").encoder, momentum=1.0)
    before = [p.clone() for p in model.teacher.parameters()]
    list(mv.fit(model, [smooth(2)], steps=3, lr=1e-3))
    assert all(torch.equal(a, b) for a, b in zip(before, model.teacher.parameters(), strict=True))


def test_it_does_not_collapse_at_once():
    """After a short training features of different patches still differ (the norms of section 3.3 are there for this)."""
    model = made("data2vec")
    list(mv.fit(model, [smooth(2)], steps=30, lr=1e-3))
    assert model.target(smooth(2)).std(1).mean() > 0.1
