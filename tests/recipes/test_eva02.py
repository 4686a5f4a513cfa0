"""EVA-02: its loss by hand, only directions count, and rotations that know only how far apart two patches lie."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.losses import negative_cosine
from mimviz.recipes import eva02, mae

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def test_the_loss_is_the_papers():
    model, images = made("eva02"), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)  # the teacher is another model now
    outcome = model(images, MASK)
    features, student = model.teacher.encoder.vit.forward_features(images), model.encode(images, MASK)
    cosines = []
    for b, n in MASK.hidden.nonzero().tolist():
        guess, truth = model.decoder.head.weight @ student[b, 1 + n] + model.decoder.head.bias, features[b, 1 + n]
        cosines.append((guess @ truth) / (guess.norm() * truth.norm()))
    torch.testing.assert_close(outcome.loss, -torch.stack(cosines).mean(), rtol=1e-4, atol=1e-5)


def test_only_the_direction_counts_and_minus_one_is_perfect():
    g = torch.Generator().manual_seed(0)
    guess, truth = torch.randn(2, 5, 8, generator=g), torch.randn(2, 5, 8, generator=g)
    plain = negative_cosine(guess, truth)
    torch.testing.assert_close(negative_cosine(7 * guess, truth), plain)
    torch.testing.assert_close(negative_cosine(guess, 0.3 * truth), plain)
    torch.testing.assert_close(negative_cosine(truth, truth), -torch.ones(2, 5, 1))


class Centred:
    """The teacher's features minus what all patches of a picture share; `shuffled`: each time at other places."""

    def __init__(self, target, shuffled):
        self.target, self.shuffled = target, shuffled

    def __call__(self, images, mask):
        rows = self.target(images, mask)
        rows = rows - rows.mean(1, keepdim=True)
        return rows[:, torch.randperm(rows.shape[1])] if self.shuffled else rows


def test_hidden_features_are_learnt_and_not_where_they_are_shuffled():
    """Of an overfit pair of pictures, the cosine where hidden; with targets that change their places it stays about 0."""
    found = {}
    for shuffled in (False, True):
        model = made("eva02")
        model.target = Centred(model.target, shuffled)
        before = [model(smooth(2), MASK).detached().loss for _ in range(8)]
        list(mv.fit(model, [smooth(2)], steps=60, lr=3e-3, warmup=0))
        after = [model(smooth(2), MASK).detached().loss for _ in range(8)]
        found[shuffled] = (-sum(before) / 8, -sum(after) / 8)
    assert found[False][1] > 0.6 > found[False][0] + 0.3
    assert abs(found[True][1]) < 0.15


def test_distinct_from_mae():
    """No scale in the target: a teacher ten times as loud gives the same gradient, which points elsewhere than MAE's."""
    grads = []
    for scale in (1.0, 10.0, None):
        torch.manual_seed(0)
        student = encoder("eva02")
        model = eva02(student) if scale else mae(student, dim=32, depth=1)
        if scale:
            model.target = lambda images, mask, plain=model.target, scale=scale: scale * plain(images, mask)
        model(smooth(2), MASK).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]))
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-6)
    assert abs(torch.cosine_similarity(grads[0], grads[2], dim=0)) < 0.5


def test_rotations_know_only_how_far_apart_patches_lie():
    model = made("eva02")
    middle, beside = (model.rope(patch).values[0] for patch in (5, 6))
    torch.testing.assert_close(beside[:, 1:], middle[:, :-1], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.rope(9).values[0][1:], middle[:-1], atol=1e-5, rtol=0)
    assert middle[1, 1] == pytest.approx(1.0, abs=1e-6) and middle.max() == middle[1, 1]
    with pytest.raises(IndexError, match=r"patch is 16.*0\.\.15"):
        model.rope(16)


def test_logits_of_any_q_and_k_depend_on_the_offset_alone():
    """Both patches shifted alike, whatever q and k hold: the same q · k (1e-5)."""
    from mimviz.vit.attention.rope import turned
    from mimviz.vit.encoders.eva import rotations

    rope = rotations(made("eva02").encoder.vit, GRID.shape, None)[0]
    g = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 1, 1, 16, generator=g).expand(1, 1, 16, 16) for _ in range(2))
    logits = (turned(q, rope, False) @ turned(k, rope, False).transpose(-1, -2))[0, 0].reshape(4, 4, 4, 4)
    torch.testing.assert_close(logits[0, 0, 1, 2], logits[2, 1, 3, 3], atol=1e-5, rtol=0)
    torch.testing.assert_close(logits[:3, :3, :3, :3], logits[1:, 1:, 1:, 1:], atol=1e-5, rtol=0)


def test_an_encoder_that_turns_nothing_says_so():
    with pytest.raises(ValueError, match="turns nothing: its positions are 'learned'"):
        eva02(encoder("mae")).rope(0)
