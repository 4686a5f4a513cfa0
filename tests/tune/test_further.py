"""Self-distilled further pre-training: the teacher, weight 0, the loss, and how far weights go."""

from copy import deepcopy

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.tune import SelfDistilled

from .small import batches, is_frozen, masked, normalized, number, plain, planted, state, weights

IMAGES = normalized(planted()[0])


def further(mim, steps, lr=1e-3):
    mim = deepcopy(mim)
    losses = [step.loss for step in mv.fit(mim, batches(), steps=steps, lr=lr)]
    return mim, losses


def test_weight_0_is_plain_further_pre_training():
    original = masked()
    teacher, _ = further(original, 4)
    ours = SelfDistilled(original, teacher, weight=0.0)
    plainly, losses = further(original, 6)
    assert [step.loss for step in mv.fit(ours, batches(), steps=6)] == losses
    assert torch.equal(weights(ours.encoder), weights(plainly.encoder))
    assert torch.equal(weights(ours.decoder), weights(plainly.decoder))


def test_the_teacher_gets_no_gradient_and_the_models_given_stay():
    original = masked()
    teacher, _ = further(original, 2)
    before = state(original), state(teacher)
    model = SelfDistilled(original, teacher)
    mine = state(model.teacher)
    model(IMAGES[:4]).loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    model.zero_grad()
    list(mv.fit(model, batches(), steps=3))
    assert is_frozen(mine, model.teacher) and is_frozen(before[0], original) and is_frozen(before[1], teacher)


def test_the_loss_equals_the_naive_twin():
    original = masked()
    teacher, _ = further(original, 3)
    model = SelfDistilled(original, teacher, weight=0.7).eval()
    mask = Mask.random(model.grid, seed=1).expand(4)
    total, count = 0.0, 0
    for image in IMAGES[:4]:
        a, b = (each.encoder.vit.forward_features(image[None])[0].detach() for each in (original, teacher))
        total, count = total + number(((a - b) ** 2).sum()), count + a.numel()
    wanted = number(original(IMAGES[:4], mask).loss) + 0.7 * total / count
    assert number(model(IMAGES[:4], mask).loss) == pytest.approx(wanted, rel=1e-5)


def test_it_begins_at_the_original_and_its_own_teacher_costs_nothing():
    original = masked()
    model = SelfDistilled(original, original)
    assert torch.equal(weights(model.encoder), weights(original.encoder))
    assert number(model(IMAGES[:2]).terms["distillation"]) < 1e-10


def test_weights_stay_nearer_to_the_start_than_with_longer_pre_training():
    """A teacher of 30 steps, then a student of 30; beside it, pre-training for all 60. Mean of three seeds."""
    near, far = [], []
    for seed in range(3):
        original = masked(seed)
        start = weights(original.encoder)
        teacher, _ = further(original, 30)
        student = SelfDistilled(original, teacher)
        list(mv.fit(student, batches(), steps=30))
        longer, _ = further(original, 60)
        near.append(number((weights(student.encoder) - start).norm()))
        far.append(number((weights(longer.encoder) - start).norm()))
    assert np.mean(near) < np.mean(far)


def test_the_linear_case():
    """Section 4's model, f(x) = w·x by gradient descent, always from w₀: rounds of it stay nearer to w₀ than one long descent."""
    rng = np.random.default_rng(0)
    x, y, start = rng.normal(size=(8, 20)), rng.normal(size=8), rng.normal(size=20)

    def descended(teacher, steps):
        w = start.copy()
        for _ in range(steps):
            wanted = y if teacher is None else y + teacher
            w = w - 0.005 * x.T @ ((x @ w) * (1 if teacher is None else 2) - wanted)
        return w

    longer = np.linalg.norm(descended(None, 24) - start)
    teacher = x @ descended(None, 8)
    assert np.linalg.norm(descended(teacher, 8) - start) < longer


def test_another_model_is_no_teacher():
    with pytest.raises(ValueError, match="the same model, trained on"):
        SelfDistilled(masked(), plain(embed_dim=36, num_heads=3))
