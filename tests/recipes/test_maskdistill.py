"""MaskDistill: its loss by hand; the presets are the methods whose names they bear; every choice says a sentence or why not."""

from itertools import product

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes import beit, mae, maskdistill, maskfeat
from mimviz.recipes.maskdistill import PRESETS

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def seeded(recipe, **keywords):
    torch.manual_seed(0)
    student = encoder("maskdistill")
    torch.manual_seed(1)
    return recipe(student, **keywords)


def test_the_loss_is_the_papers():
    """Equation 1 with loops: smooth L1 (β = 2) to layer-normed features of the whole picture, where hidden."""
    model, images = made("maskdistill"), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)  # the teacher is another model now
    outcome = model(images, MASK)
    features = model.teacher.encoder.vit.forward_features(images)[:, 1:]
    losses = []
    for b, n in MASK.hidden.nonzero().tolist():
        y = features[b, n]
        y = (y - y.mean()) / (y.var(unbiased=False) + 1e-5).sqrt()
        for guess, truth in zip(outcome.guess[b, n].tolist(), y.tolist(), strict=True):
            far = abs(guess - truth)
            losses.append(far**2 / 4 if far <= 2 else far - 1)
    assert outcome.loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


@pytest.mark.parametrize(("preset", "recipe"), [("mae", mae), ("maskfeat", maskfeat), ("beit", beit)])
def test_a_preset_is_the_method_itself(preset, recipe):
    """Weights made in the same order, the same mask: the same loss and the same gradient, bit for bit."""
    small = {"dim": 32, "depth": 1} if preset == "mae" else {}
    found = []
    for model in (seeded(maskdistill, **PRESETS[preset], **small), seeded(recipe, **small)):
        outcome = model(smooth(2), MASK)
        outcome.loss.backward()
        found.append((outcome.loss, model.encoder.vit.blocks[0].mlp.fc1.weight.grad, type(model.where)))
    (loss, grad, where), (same, there, as_well) = found
    assert torch.equal(loss, same) and torch.equal(grad, there) and where is as_well


def test_the_beit_preset_is_beit():
    """−log of the share of the true code's score among all, with loops over hidden patches (BEiT, equation 1)."""
    model, images = seeded(maskdistill, **PRESETS["beit"]), smooth(2)
    outcome = model(images, MASK)
    codes, head, losses = model.target(images)[..., 0], model.decoder.head, []
    seen = model.encode(images, MASK)
    for b, n in MASK.hidden.nonzero().tolist():
        scores = head.weight @ seen[b, 1 + n] + head.bias
        losses.append(torch.logsumexp(scores, 0) - scores[codes[b, n]])
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-6, atol=1e-6)


def test_only_hidden_patches_are_asked_for_and_the_teacher_is_left_alone():
    model, seen = made("maskdistill"), []
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    outcome = model(smooth(2), MASK)
    outcome.loss.backward()
    assert (seen[0].grad[~MASK.hidden] == 0).all() and seen[0].grad[MASK.hidden].any(-1).all()
    assert not outcome.truth.requires_grad and all(p.grad is None for p in model.teacher.parameters())
    torch.testing.assert_close(outcome.truth.mean(-1), torch.zeros(2, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(outcome.truth.var(-1, unbiased=False), torch.ones(2, 16), atol=1e-3, rtol=0)


def test_distinct_from_mae():
    """Another target, another student: another loss, and the gradient in the encoder points elsewhere."""
    found = []
    for model in (seeded(maskdistill), seeded(mae, dim=32, depth=1)):
        outcome = model(smooth(2), MASK)
        outcome.loss.backward()
        grads = [p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]
        found.append((outcome.loss.item(), torch.cat(grads)))
    (loss, grad), (other, there) = found
    assert loss != pytest.approx(other, rel=0.05) and abs(torch.cosine_similarity(grad, there, dim=0)) < 0.5


@pytest.mark.parametrize(
    ("predict", "norm", "student", "head"),
    product(
        ("features", "pixels", "hog"), ("none", "layer", "patch", "l2"), ("tokens", "drop"), ("linear", "transformer")
    ),
)
def test_every_choice_is_a_sentence(predict, norm, student, head):
    choices = {"predict": predict, "norm": norm, "student": student, "head": head}
    if (student, head) == ("drop", "linear"):
        with pytest.raises(ValueError, match="no token for a linear head"):
            seeded(maskdistill, **choices)
        return
    model = seeded(maskdistill, **choices, dim=32, depth=1)
    outcome = model(smooth(2), MASK)
    outcome.loss.backward()
    assert outcome.loss > 0 and model.encoder.vit.blocks[0].mlp.fc1.weight.grad.any()
    if norm == "l2":
        torch.testing.assert_close(outcome.truth.norm(dim=-1), torch.ones(2, 16))
    if norm == "patch":
        assert (outcome.truth.var(-1) <= 1).all() and outcome.truth.mean(-1).abs().max() < 1e-5
    assert (outcome.view is not None) == (predict == "pixels" and norm in ("none", "patch"))


def test_choices_that_do_not_go_together():
    for wrong in ({"predict": "codes"}, {"loss": "cross entropy"}, {**PRESETS["beit"], "norm": "layer"}):
        with pytest.raises(ValueError, match="codes, no norm, cross entropy go together"):
            seeded(maskdistill, **wrong)


def test_any_model_may_teach():
    model = seeded(maskdistill, teacher=mv.load_vit("tiny-classifier"))
    before = model.teacher.encoder.vit.blocks[0].mlp.fc1.weight.clone()
    list(mv.fit(model, [smooth(2)], steps=2, lr=1e-3))
    assert model(smooth(2)).truth.shape[-1] == model.teacher.width != model.encoder.width
    assert torch.equal(model.teacher.encoder.vit.blocks[0].mlp.fc1.weight, before)
