"""dBOT: its loss by hand, after the authors' code; stages in which the student becomes the teacher."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes import dbot, mae
from mimviz.vit import redraw

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


def test_the_loss_is_the_papers():
    """Smooth L1 (β = 2) to the last block's tokens, each minus its mean over √(unbiased variance + 1e-6): hidden ones and class."""
    model, images = made("dbot"), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)
    outcome = model(images, MASK)
    teacher = model.teacher.encoder.vit
    y = torch.cat([teacher.cls_token.expand(2, -1, -1), teacher.patch_embed(images)], 1) + teacher.pos_embed
    for block in teacher.blocks:
        y = block(y)
    decoder = model.decoder
    x = decoder.embed(model.encode(images, MASK))
    full = decoder.token.expand(2, 16, -1).clone()
    for b in range(2):
        full[b, MASK.keep_ids[b]] = x[b, 1:]
    guess = decoder.head(decoder.norm(decoder.blocks(torch.cat([x[:, :1], full], 1) + decoder.positions)))
    losses = []
    for b in range(2):
        for token in [0, *(1 + MASK.hidden_ids[b]).tolist()]:
            truth = (y[b, token] - y[b, token].mean()) / (y[b, token].var() + 1e-6).sqrt()
            far = (guess[b, token] - truth).abs()
            losses.append(torch.where(far < 2, far**2 / 4, far - 1).mean())
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def test_a_teacher_stays_through_its_stage_and_is_then_the_student():
    model = made("dbot")
    first = weights(model.teacher.encoder)
    assert torch.equal(first, weights(model.encoder)), "the first teacher is the student before it learns"
    list(mv.fit(model, [smooth(2)], steps=5, lr=3e-3, warmup=0))
    student, decoder = weights(model.encoder), weights(model.decoder)
    assert torch.equal(weights(model.teacher.encoder), first) and not torch.equal(student, first)
    model.next_stage()
    assert torch.equal(weights(model.teacher.encoder), student) and model.target.teacher is model.teacher
    assert int(model.stage) == 1
    for before, now in ((student, weights(model.encoder)), (decoder, weights(model.decoder))):
        assert (before != now).float().mean() > 0.9, "drawn anew"
    before = [step.loss for step in mv.fit(model, [smooth(2)], steps=25, lr=3e-3, warmup=0)]
    assert before[-1] < 0.8 * before[0], "and it learns again"
    assert torch.equal(weights(model.teacher.encoder), student)


def test_weights_are_drawn_as_timm_draws_them():
    """Of several families: where a new model has a constant so has the redrawn one, and elsewhere the same spread."""
    small = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}
    for name in ("vit_tiny_patch16_224", "beit_base_patch16_224", "eva02_tiny_patch14_224", "vit_small_patch16_dinov3"):
        model, fresh = mv.encoder(name, **small), mv.encoder(name, **small)
        for p in model.parameters():
            p.data += 1.0
        redraw(model)
        for (key, p), (_, q) in zip(model.named_parameters(), fresh.named_parameters(), strict=True):
            if len(q.unique()) == 1:
                assert torch.equal(p, q), (name, key)
            else:
                assert p.std().item() == pytest.approx(q.std().item(), rel=0.35) and not torch.equal(p, q), (name, key)


def test_fixed_positions_stay_and_families_without_a_rule_are_refused():
    model = mv.encoder(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3, positions="sincos"
    )
    before = model.vit.pos_embed.clone()
    redraw(model)
    assert torch.equal(model.vit.pos_embed, before)
    model = dbot(encoder("itpn"), dim=32, depth=1)
    before = weights(model)
    with pytest.raises(TypeError, match="does not say how the weights of a Hiera"):
        model.next_stage()
    assert torch.equal(weights(model), before) and int(model.stage) == 0


def test_a_first_teacher_of_another_kind():
    model = dbot(encoder("dbot"), dim=32, depth=1, teacher=mv.load_vit("tiny-classifier"))
    assert model(smooth(2), MASK).guess.shape[-1] == model.teacher.width != 48
    model.next_stage()
    assert model(smooth(2), MASK).guess.shape[-1] == model.teacher.width == 48
    assert torch.isfinite(model(smooth(2), MASK).loss)


def test_distinct_from_mae():
    """The same mask, student and kind of decoder; the target sets the gradient elsewhere."""
    grads = []
    for recipe in (dbot, mae):
        torch.manual_seed(0)
        student = encoder("dbot")
        recipe(student, dim=32, depth=1)(smooth(2), MASK).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]))
    assert abs(torch.cosine_similarity(*grads, dim=0)) < 0.5


def test_teachers_become_alike():
    """Students of two teachers that have nothing in common say things that are more alike than the teachers', by linear CKA."""

    def cka(a, b):
        a, b = (x.flatten(0, 1) - x.flatten(0, 1).mean(0) for x in (a, b))
        return ((a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())).item()

    images = torch.cat([mv.image(name).fit(32, 32).tensor() for name in mv.images()])
    models = []
    for teacher in (None, mv.load_vit("tiny-classifier")):
        torch.manual_seed(0)
        models.append(dbot(encoder("dbot"), dim=32, depth=1, teacher=teacher))
    before = cka(*(model.teacher.features(images) for model in models))
    for stage in range(2):
        for model in models:
            if stage:
                model.next_stage()
            list(mv.fit(model, [images], steps=60, lr=2e-3, warmup=0))
    with torch.no_grad():
        after = cka(*(model.encoder(model.encoder.embed(images))[:, 1:] for model in models))
    assert after > before, (before, after)
