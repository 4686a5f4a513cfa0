"""Vision DiffMask: gates that are all open change nothing, the hard concrete numbers, and the budget that is kept."""

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz import lenses
from mimviz.core import drawing
from mimviz.lenses._diff_mask import DiffMaskLearner, hard_concrete, log_open

from .planted import on_patches, planted_scene, planted_vit
from .planted_cnn import planted_scene as conv_net
from .small import small_scene


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_open_gates_leave_the_answer_as_it_is(prefix):
    scene = small_scene(prefix=prefix)
    learner = DiffMaskLearner(scene.model)
    _, content, answer = learner.logits(scene.images)
    torch.testing.assert_close(answer, scene.logits)
    torch.testing.assert_close(learner.seen(content, torch.ones(content.shape[:2])), scene.logits, rtol=1e-5, atol=1e-5)
    closed = learner.seen(content, torch.zeros(content.shape[:2]))
    assert (closed - scene.logits).abs().max() > 1e-3
    torch.testing.assert_close(closed[0], closed[1], rtol=1e-5, atol=1e-5, msg="nothing of the pictures is left")


def test_hard_concrete_numbers():
    """Both ends have a share of their own, and that of 0 is the closed form."""
    torch.manual_seed(0)
    for logit in (-2.0, 0.0, 1.5):
        z = hard_concrete(torch.full((200_000,), logit))
        assert z.min() == 0 and z.max() <= 1
        assert float((z > 0).float().mean()) == pytest.approx(float(log_open(torch.tensor(logit)).exp()), abs=5e-3)
        u = torch.rand(1)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            one = hard_concrete(torch.tensor([logit]))
            torch.manual_seed(1)
            u = torch.rand(1)
        naive = 1 / (1 + torch.exp(-(torch.log(u / (1 - u)) + logit) / 0.2)) * 1.2 - 0.2
        torch.testing.assert_close(one, naive.clamp(0, 1), rtol=1e-4, atol=1e-6)


def test_the_objective_written_out():
    scene = small_scene()
    with drawing(0):
        learner = DiffMaskLearner(scene.model, budget=0.05, layer=2, alpha=3.0)
    torch.manual_seed(5)
    found = learner(scene.images)
    torch.manual_seed(5)
    logits, content, answer = learner.logits(scene.images, 2)
    assert logits.shape == (2, 16, 3), "the embedding and the inputs of two blocks"
    z = hard_concrete(logits)
    told = learner.seen(content, z[..., 0] * z[..., 1] * z[..., 2])
    p, q = answer.softmax(-1), told.softmax(-1)
    kl = (p * (p / q).log()).sum(-1)
    open_ = torch.sigmoid(logits - 0.2 * torch.log(torch.tensor(0.2))).prod(-1)
    torch.testing.assert_close(found.gap, kl, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.loss, open_.mean() + 3.0 * (kl.mean() - 0.05), rtol=1e-3, atol=1e-5)
    learner.after_step()
    expected = torch.full((5,), 3.0)
    expected[2] += 0.3 * (float(kl.detach().mean()) - 0.05)
    torch.testing.assert_close(learner.alpha, expected, rtol=1e-3, atol=1e-5)


def loud_vit():
    """The planted ViT with an answer that changes by far more than the budget when red is hidden."""
    model = planted_vit(prefix=3)
    with torch.no_grad():
        model.head.weight.mul_(4)
    return model


def test_gates_that_learnt_from_many_keep_the_budget_with_few_patches():
    model = loud_vit()
    before = [p.detach().clone() for p in model.parameters()]
    with drawing(0):
        learner = lenses.DiffMaskLearner(model, layer=1, alpha=5.0, lr_alpha=1.0, placeholder="zero")
    batches = [planted_scene(*range(s, s + 4), prefix=3).images for s in (0, 4, 8)]
    for _ in mv.fit(learner, batches, steps=110, lr=3e-3, weight_decay=0.0, betas=(0.9, 0.95)):
        pass
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, model.parameters(), strict=True))
    scene = mv.Scene(model, planted_scene(13, 14).images, target=1)
    heat = lenses.DiffMask(explainer=learner, layer=1)(scene)
    assert on_patches(heat).argmax(1).tolist() == [13, 14]
    assert heat.values.mean() < 0.3
    with torch.no_grad():
        _, content, answer = learner.logits(scene.images)
        told = learner.seen(content, (on_patches(heat) > 0.5).float())
        all_gone = learner.seen(content, torch.zeros(2, 16))
    gap, worst = (
        F.kl_div(each.log_softmax(-1), answer.log_softmax(-1), reduction="none", log_target=True).sum(-1)
        for each in (told, all_gone)
    )
    assert gap.max() <= 0.1 < worst.min()


def test_on_one_picture_it_keeps_the_budget():
    scene = mv.Scene(loud_vit(), planted_scene(6).images, target=1)
    heat = lenses.DiffMask()(scene)
    values = on_patches(heat)[0]
    assert values.argmax() == 6 and values[6] > 2 * values.sort().values[-2] and values.mean() < 0.3


def test_it_wants_tokens():
    with pytest.raises(TypeError, match="one token for each patch"):
        lenses.DiffMask()(conv_net())
