"""COMET: its loss written out, who learns from what, and that the detector makes the mask complete."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.core import drawing
from mimviz.lenses._comet import CometLearner, Selector, objective

from .planted import PATCH, planted_scene


class Brightest(nn.Module):
    """Knows a colour by the one place that shows it best: any single mark is enough for it."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(4.0))

    def forward(self, x):
        return self.gain * F.avg_pool2d(x - x.mean(1, keepdim=True), 3, stride=1).amax((2, 3))


def twice_marked(count: int, seed: int):
    """(count, 3, 24, 24) with two 6 x 6 squares of the class's colour, the labels, and where the squares are."""
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(count, 3, 24, 24, generator=g) * 0.1, torch.randint(3, (count,), generator=g)
    where = torch.zeros(count, 24, 24, dtype=torch.bool)
    for i in range(count):
        for left in (0, 12):
            r, c = torch.randint(18, (), generator=g), left + torch.randint(6, (), generator=g)
            where[i, r : r + 6, c : c + 6] = True
        x[i, y[i]][where[i]] += 1.0
    return x, y, where


def test_the_loss_written_out():
    g = torch.Generator().manual_seed(0)
    taken, left, mask = torch.rand(6, generator=g) * 3, torch.rand(6, generator=g) * 3, torch.rand(6, 4, 4, generator=g)
    found, acts = objective(taken, left, mask, complete=4.0, gap=1.0, area=10.0, share=0.45)
    for i in range(6):
        behind = float(taken[i] - left[i] + 1.0)
        expected = float(taken[i]) + 4.0 * max(behind, 0.0) + 10.0 * max(float(mask[i].mean()) - 0.45, 0.0)
        assert float(found[i]) == pytest.approx(expected, rel=1e-5) and bool(acts[i]) == (behind > 0)
    assert acts.any() and not acts.all()


def test_the_predictor_learns_from_its_answers_the_selector_from_all():
    """One pass gives the gradients of two: their code's backward of L_p for one, and of L for the other."""
    x, y, _ = twice_marked(6, 0)
    with drawing(0):
        learner = CometLearner(Brightest(), gap=0.1, width=4)
    learner(x, y).loss.backward()
    mask = learner.selector(x)
    taken = F.cross_entropy(learner.predictor(x * mask[:, None]), y, reduction="none")
    detector = learner._detector[0]
    left = F.cross_entropy(detector(x * (1 - mask[:, None])), y, reduction="none")
    loss, acts = objective(taken, left, mask, **learner.weights)
    own = torch.autograd.grad(taken.mean(), [*learner.predictor.parameters()], retain_graph=True)
    whole = torch.autograd.grad(loss.mean(), [*learner.selector.parameters()])
    for p, expected in zip(
        [*learner.predictor.parameters(), *learner.selector.parameters()], [*own, *whole], strict=True
    ):
        torch.testing.assert_close(p.grad, expected, rtol=1e-4, atol=1e-6)
    assert acts.any() and detector.gain.grad is None and detector.gain.requires_grad


def learnt(complete: float):
    with drawing(0):
        learner = CometLearner(Brightest(), complete=complete, share=0.1, area=20.0, width=8)
    batches = [twice_marked(16, seed)[:2] for seed in range(12)]
    losses = [step.loss for step in mv.fit(learner, batches, steps=150, lr=5e-3, weight_decay=0.0)]
    assert losses[-1] < losses[0]
    x, y, where = twice_marked(60, 99)
    with torch.no_grad():
        mask = learner.selector(x)
        covered = float((mask[where] > 0.5).float().mean())
        rest = learner._detector[0](x * (1 - mask[:, None]))
        right = float((learner.answer(x).argmax(1) == y).float().mean())
    sure = float(rest.softmax(1).gather(1, y[:, None]).mean())
    return covered, sure, right


def test_the_detector_makes_the_mask_complete():
    covered, sure, right = learnt(4.0)
    free, free_sure, free_right = learnt(0.0)
    assert covered > 0.9 and sure < 0.45 and right > 0.9, (
        "both marks are selected, and what is left is near chance (1/3)"
    )
    assert free < covered - 0.1 and free_sure > sure + 0.1 and free_right > 0.9


def test_a_selector_that_learnt_answers_in_one_pass():
    scene, selector = planted_scene(PATCH), Selector(width=4)
    lens = lenses.COMET(selector=selector)
    assert lens.passes(scene) == 1
    torch.testing.assert_close(lens(scene).values, selector(scene.images).detach())
    assert lens == lenses.COMET(selector=selector) != lenses.COMET() and hash(lens) == hash(
        lenses.COMET(selector=selector)
    )
