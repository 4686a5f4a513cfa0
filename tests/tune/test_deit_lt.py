"""DeiT-LT: weights, losses written slowly, when rare classes begin to weigh, and the two tokens."""

import pytest
import timm
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.tune import DeiTLT, class_weights, two_tokens

from .small import batches, is_frozen, masked, normalized, number, plain, planted, state

IMAGES, LABELS = normalized(planted()[0])[:6], torch.tensor([0, 1, 2, 0, 1, 2])


def made(counts=(60, 20, 5), **options):
    vit = two_tokens(masked(), 3)
    torch.manual_seed(0)
    for head in (vit.head, vit.head_dist):
        torch.nn.init.normal_(head.weight)
    return DeiTLT(vit, plain(1), counts, steps=12, smoothing=0, **options).train()


def test_weights_by_the_formula():
    counts, beta = [500, 50, 5], 0.9999
    raw = [(1 - beta) / (1 - beta**n) for n in counts]
    assert class_weights(counts).tolist() == pytest.approx([3 * w / sum(raw) for w in raw], rel=1e-5)
    assert class_weights([7, 7, 7]).tolist() == [1, 1, 1]
    assert class_weights([500, 5], beta=0.0).tolist() == [1, 1]


def test_the_loss_before_and_after_the_switch():
    model = made()
    cls, dist = model.both(IMAGES)
    said = plain(1)(model.teacher._seen(IMAGES)).argmax(-1)
    rare = class_weights((60, 20, 5)).tolist()
    for done, scale in ((0, [1.0, 1.0, 1.0]), (10, [1.0, 1.0, 1.0]), (11, rare)):
        model.done.fill_(done)
        own = sum(-number(row.log_softmax(0)[label]) for row, label in zip(cls, LABELS, strict=True)) / 6
        following = sum(-scale[s] * number(row.log_softmax(0)[s]) for row, s in zip(dist, said.tolist(), strict=True))
        following /= sum(scale[s] for s in said.tolist())  # a weighted mean
        assert number(model(IMAGES, LABELS).loss) == pytest.approx(0.5 * own + 0.5 * following, rel=1e-5)


def test_equal_counts_make_it_plain_cross_entropy():
    model = made((9, 9, 9))
    model.done.fill_(11)
    _, dist = model.both(IMAGES)
    said = model.teacher.logits(IMAGES)
    torch.testing.assert_close(model.follow(dist, said), F.cross_entropy(dist, said.argmax(-1)))


def test_the_teacher_gets_no_gradient_and_stays():
    model = made()
    before = state(model.teacher)
    model(IMAGES, LABELS).loss.backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    model.zero_grad()
    list(mv.fit(model, batches(), steps=4))
    assert is_frozen(before, model.teacher) and int(model.done) == 4


def test_two_tokens_are_timm_s_distilled_vit_and_start_as_the_one():
    """The second token is a copy of the first at the same place, so both say the same before any training."""
    mim = masked()
    vit = two_tokens(mim, 3).eval()
    assert isinstance(vit, timm.models.deit.VisionTransformerDistilled)
    tokens = vit.forward_features(IMAGES)
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1])
    assert mim.encoder.prefix == 1
    scene = mv.Scene(vit, IMAGES)
    assert (scene.anatomy.prefix, scene.anatomy.class_tokens) == (2, 2)


def test_the_answer_is_the_mean_of_both_experts():
    model = made().eval()
    said = model.experts(IMAGES)
    cls, dist = model.both(IMAGES)
    torch.testing.assert_close(said["mean"], (cls.softmax(-1) + dist.softmax(-1)) / 2)
    torch.testing.assert_close(said["mean"].sum(-1), torch.ones(6))


def test_bad_inputs():
    with pytest.raises(TypeError, match="no distillation token"):
        DeiTLT(plain(), plain(), [1, 2, 3], steps=2)
    with pytest.raises(ValueError, match="one for each is wanted"):
        DeiTLT(two_tokens(masked(), 3), plain(), [1, 2], steps=2)
    with pytest.raises(ValueError, match="at least 1 picture"):
        class_weights([3, 0])
    with pytest.raises(TypeError, match="a class token and no registers"):
        two_tokens(plain(reg_tokens=1), 3)
