"""G2SD: the first stage against its definition, the second as distillation of logits."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.tune import G2SD, Distilled, classifier, two_tokens

from .small import batches, is_frozen, masked, normalized, number, plain, planted, state

IMAGES = normalized(planted()[0])
LARGE = {"embed_dim": 36, "num_heads": 3, "dim": 32, "decoder": 2}


def copied():
    """A student that is the teacher as far as its decoder's first block, and hands that on."""
    teacher = masked(dim=32, decoder=2)
    model = G2SD(deepcopy(teacher.encoder), teacher, dim=32, depth=1)
    mine = {k: v for k, v in teacher.decoder.state_dict().items() if not k.startswith(("blocks.1", "head", "norm"))}
    assert not model.decoder.load_state_dict(mine, strict=False).unexpected_keys
    with torch.no_grad():
        model.decoder.head.weight.copy_(torch.eye(32))
        model.decoder.head.bias.zero_()
    return model


def test_a_copy_of_the_teacher_costs_nothing_and_another_mask_does():
    model = copied()
    one, other = (Mask.random(model.grid, seed=seed).expand(4) for seed in (0, 1))
    assert number(model(IMAGES[:4], one).loss) < 1e-10
    truth = model.target(IMAGES[:4], other)
    assert number(F.smooth_l1_loss(model.predict(IMAGES[:4], one), truth, beta=2.0)) > 1e-3


def test_the_loss_equals_the_naive_twin():
    """Smooth L1 with β = 2 of features of mean 0 and variance 1, over all patches."""
    student, teacher = masked(), masked(1, **LARGE)
    model, mask = G2SD(student.encoder, teacher, dim=16, depth=1), Mask.random(student.grid, seed=2).expand(2)
    decoder = teacher.decoder
    x = decoder.embed(teacher.encode(IMAGES[:2], mask))
    rows = []
    for b in range(2):
        full, kept = [x[b, 0]], iter(x[b, 1:])
        full += [decoder.token[0, 0] if mask.hidden[b, n] else next(kept) for n in range(16)]
        rows.append(torch.stack(full))
    y = decoder.blocks[0](torch.stack(rows) + decoder.positions)[:, 1:]
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    guess = model.decoder(model.encode(IMAGES[:2], mask), mask)
    total = 0.0
    for a, b in zip(guess.flatten().tolist(), y.flatten().tolist(), strict=True):
        d = abs(a - b)
        total += d * d / 4 if d < 2 else d - 1
    outcome = model(IMAGES[:2], mask)
    assert number(outcome.loss) == pytest.approx(total / guess.numel(), rel=1e-5)
    assert outcome.mask.predict.all() and not outcome.mask.hidden.all()


def test_the_teacher_stays_and_the_student_learns():
    student, teacher = masked(), masked(1, **LARGE)
    model = G2SD(student.encoder, teacher, dim=16, depth=1)
    before, mine = state(teacher), state(model.teacher)
    losses = [step.loss for step in mv.fit(model, batches(), steps=40, lr=3e-3)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert is_frozen(before, teacher) and is_frozen(mine, model.teacher)


def test_the_second_stage_follows_the_teacher_s_logits():
    """Equations 2 and 3 of DeiT, one picture at a time."""
    torch.manual_seed(0)
    teacher, vit, labels = plain(1), classifier(masked(), 3), torch.tensor([0, 1, 2, 2])
    torch.nn.init.normal_(vit.head.weight)
    model = Distilled(vit, teacher, steps=4, kind="soft", alpha=0.3, temperature=2.0, smoothing=0).train()
    total = 0.0
    for image, label in zip(IMAGES[:4], labels, strict=True):
        ours, theirs = vit(image[None])[0], teacher(model.teacher._seen(image[None]))[0]
        total += 0.7 * number(-ours.log_softmax(0)[label]) / 4
        p, q = (theirs / 2).softmax(0), (ours / 2).softmax(0)
        total += 0.3 * 4 * number((p * (p.log() - q.log())).sum()) / 4
    assert number(model(IMAGES[:4], labels).loss) == pytest.approx(total, rel=1e-5)
    hard = Distilled(vit, teacher, steps=4, alpha=0.3, smoothing=0).train()
    said = teacher(hard.teacher._seen(IMAGES[:4])).argmax(-1)
    logits = vit(IMAGES[:4])
    wanted = 0.7 * F.cross_entropy(logits, labels) + 0.3 * F.cross_entropy(logits, said)
    torch.testing.assert_close(hard(IMAGES[:4], labels).loss, wanted)


def test_a_second_token_learns_from_the_teacher():
    vit = two_tokens(masked(), 3)
    model = Distilled(vit, plain(1), steps=4).train()
    own, following = model.both(IMAGES[:2])
    tokens = vit.forward_features(IMAGES[:2])
    torch.testing.assert_close(own, vit.head(tokens[:, 0]))
    torch.testing.assert_close(following, vit.head_dist(tokens[:, 1]))
    torch.testing.assert_close(model.eval()(IMAGES[:2], torch.tensor([0, 1])).logits, vit.eval()(IMAGES[:2]))


def test_bad_inputs():
    with pytest.raises(TypeError, match="Transformer is wanted"):
        G2SD(masked().encoder, mv.recipes.simmim(masked().encoder))
    with pytest.raises(ValueError, match="masks must fit both"):
        G2SD(masked().encoder, masked(img_size=32))
    with pytest.raises(IndexError, match="has 1 blocks"):
        G2SD(masked().encoder, masked(), layer=1)
    with pytest.raises(ValueError, match="the same ones"):
        Distilled(classifier(masked(), 4), plain(), steps=1)
    with pytest.raises(ValueError, match="'soft' or 'hard'"):
        Distilled(classifier(masked(), 3), plain(), steps=1, kind="mild")
