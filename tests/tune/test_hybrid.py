"""Hybrid Distill: zero at the teachers, redundant tokens first, and the losses written slowly."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.tune import HybridDistill
from mimviz.tune.hybrid import redundant

from .small import batches, is_frozen, masked, normalized, number, plain, planted, state

IMAGES = normalized(planted()[0])[:3]
DEEP = {"depth": 4}


def made(**options):
    torch.manual_seed(0)
    return HybridDistill(masked(**DEEP).encoder, masked(1, **DEEP), plain(2), **options)


def test_a_copy_of_a_teacher_costs_nothing():
    model = made(ratio=0.0)
    model.relating.encoder.load_state_dict(model.encoder.state_dict())
    assert number(model(IMAGES).terms["relations"]) < 1e-9
    student = masked(**DEEP).encoder
    model = HybridDistill(student, masked(1, **DEEP), deepcopy(student.vit), ratio=0.0)
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(24))
        model.head.bias.zero_()
    assert number(model(IMAGES).patch_loss.mean()) < 1e-8


def test_planted_duplicates_are_dropped_first():
    torch.manual_seed(0)
    tokens = torch.randn(2, 16, 24)
    tokens[:, [3, 7, 11, 12]] = tokens[:, [3]]
    assert set(redundant(tokens)[0].topk(4).indices.tolist()) == {3, 7, 11, 12}
    rows = tokens[0]
    twin = [
        sum(number(F.cosine_similarity(rows[i], rows[j], dim=0)) for j in range(16) if j != i) / 15 for i in range(16)
    ]
    assert redundant(tokens)[0].tolist() == pytest.approx(twin, abs=1e-5)


def test_tokens_go_step_by_step_and_the_loss_is_of_those_that_stay():
    model = made(ratio=0.375)  # 2 of 16 in front of blocks 0, 1 and 2
    seen = []
    for block in model.encoder.vit.blocks:
        block.register_forward_hook(lambda _, __, out: seen.append(out.shape[1] - 1))
    outcome = model(IMAGES)
    assert seen == [14, 12, 10, 10]
    assert outcome.mask.hidden.sum(1).tolist() == [6, 6, 6] and outcome.where.shape == (3, 10)
    assert torch.equal(outcome.mask.predict, ~outcome.mask.hidden)
    torch.testing.assert_close(outcome.loss, outcome.patch_loss.mean() + outcome.terms["relations"])


def test_the_losses_equal_the_naive_twin():
    model = made(ratio=0.375)
    for vit in (model.encoder.vit, model.relating.encoder.vit):  # relations that differ by more than roundings
        torch.nn.init.normal_(vit.blocks[2].attn.qkv.weight, std=0.5)
    outcome = model(IMAGES)
    student, mim, features = model.encoder.vit, model.relating.encoder.vit, model.featuring.encoder.vit
    relations, feature = [], []
    for at, (image, ids) in enumerate(zip(IMAGES, outcome.where.tolist(), strict=True)):
        x = student._pos_embed(student.patch_embed(image[None]))[0]
        here = list(range(16))
        for index, block in enumerate(student.blocks):
            if index < 3:
                unit = F.normalize(x[1:], dim=-1)
                alike = [number((unit[i] @ unit.T).sum()) for i in range(len(here))]
                stay = sorted(sorted(range(len(here)), key=lambda i: alike[i])[: len(here) - 2])
                here, x = [here[i] for i in stay], torch.stack([x[0], *(x[1 + i] for i in stay)])
            if index == 2:
                ours, left = block.norm1(x), list(here)
            x = block(x[None])[0]
        assert here == ids
        y = mim._pos_embed(mim.patch_embed(image[None]))
        for block in mim.blocks[:2]:
            y = block(y)
        theirs = mim.blocks[2].norm1(y)[0, 1:][left]
        for a, b in ((0, 1), (2, 2)):  # queries with keys, values with values
            for head in range(2):
                maps = []
                for attn, tokens in ((student.blocks[2].attn, ours[1:]), (mim.blocks[2].attn, theirs)):
                    qkv = attn.qkv(tokens).reshape(-1, 3, 2, 12)[:, :, head]
                    maps.append(torch.softmax(qkv[:, a] @ qkv[:, b].T / 12**0.5, -1))
                relations.append(number((maps[1] * (maps[1] / maps[0]).log()).sum(-1).mean()))
        seen = model.featuring._seen(IMAGES)[at : at + 1]
        truth = F.layer_norm(features.forward_features(seen)[0, 1:][ids], (24,))
        feature.append(number(F.smooth_l1_loss(model.head(student.norm(x)[1:]), truth)))
    assert number(outcome.terms["relations"]) == pytest.approx(sum(relations) / len(relations), rel=1e-4)
    assert number(outcome.patch_loss.mean()) == pytest.approx(sum(feature) / 3, rel=1e-4)


def test_teachers_stay_and_the_student_learns():
    model = made()
    before = state(model.relating), state(model.featuring)
    losses = [step.loss for step in mv.fit(model, batches(), steps=40, lr=3e-3)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert is_frozen(before[0], model.relating) and is_frozen(before[1], model.featuring)


def head_distance(vit, layer):
    """Mean cosine distance between the maps of two heads."""
    maps = mv.Scene(vit, IMAGES).trace.attention[layer].flatten(2)
    unit = F.normalize(maps, dim=-1)
    return float(1 - (unit[:, 0] * unit[:, 1]).sum(-1).mean())


def test_relations_keep_heads_apart_where_the_teacher_s_are():
    """Beside a student of features alone; the teacher's heads look at different places. Mean of three seeds."""
    teacher = masked(1, **DEEP)
    torch.nn.init.normal_(teacher.encoder.vit.blocks[2].attn.qkv.weight, std=0.5)
    apart = {}
    for weight in (0.0, 1.0):
        found = []
        for seed in range(3):
            student = masked(seed, **DEEP).encoder
            model = HybridDistill(student, teacher, plain(2), weights=(weight, 1.0))
            list(mv.fit(model, batches(), steps=60, lr=3e-3))
            found.append(head_distance(student.vit, 2))
        apart[weight] = sum(found) / 3
    assert apart[1.0] > 1.3 * apart[0.0]  # 0.158 and 0.085 when this was written


def test_bad_inputs():
    with pytest.raises(ValueError, match="the student's grid"):
        HybridDistill(masked().encoder, masked(img_size=32), plain())
    with pytest.raises(ValueError, match="as many heads"):
        HybridDistill(masked().encoder, masked(num_heads=3), plain())(IMAGES)
