"""MR-MAE: two losses on disjoint patches; MAE without its own; whether they pull the same way."""

import math

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.conflict import conflict
from mimviz.recipes import mae, mrmae

from .small import GRID, encoder
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def seeded(recipe, **keywords):
    torch.manual_seed(0)
    return recipe(encoder("mrmae"), dim=32, depth=1, **keywords)


def test_the_loss_is_the_papers():
    """MAE's, plus the mean squared error of one layer to the teacher's features, visible patches only, with loops."""
    model, images = seeded(mrmae, weight=0.5), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)
    outcome = model(images, MASK)
    features, seen = model.teacher.encoder.vit.forward_features(images), model.encode(images, MASK)
    errors = []
    for b in range(2):
        for row, patch in enumerate(MASK.keep_ids[b].tolist()):
            errors.append((model.mimic.head(seen[b, 1 + row]) - features[b, 1 + patch]).square().mean())
    torch.testing.assert_close(outcome.terms["mimic"], 0.5 * torch.stack(errors).mean(), rtol=1e-4, atol=1e-6)
    pixels = (outcome.guess - outcome.truth).square().mean(-1)[MASK.hidden].mean()
    torch.testing.assert_close(outcome.loss, pixels + outcome.terms["mimic"])


def test_without_its_term_it_is_mae_bit_for_bit():
    found = []
    for model in (seeded(mae), seeded(mrmae, weight=0.0), seeded(mrmae)):
        outcome = model(smooth(2), MASK)
        outcome.loss.backward()
        found.append((outcome, model.encoder.vit.blocks[0].mlp.fc1.weight.grad))
    (plain, at), (off, same), (whole, other) = found
    assert torch.equal(plain.loss, off.loss) and torch.equal(at, same) and not off.terms
    torch.testing.assert_close(whole.loss - whole.terms["mimic"], plain.loss)
    assert not torch.allclose(other, at), "the term reaches the encoder"


def test_the_two_losses_share_no_patch_and_leave_none_out():
    model = seeded(mrmae)
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    seen = []
    outcome = model(smooth(2), MASK)
    pixels, mimic = model.receives(outcome).values()
    assert not (pixels & mimic).any() and (pixels | mimic).all()
    outcome.terms["mimic"].backward(retain_graph=True)
    assert seen[0].grad is None, "the mimic term does not pass through the decoder"
    model.mimic.zero_grad()
    (outcome.loss - outcome.terms["mimic"]).backward()
    assert (seen[0].grad[~MASK.hidden] == 0).all() and not model.mimic.head.weight.grad.any()
    control = seeded(mrmae, shared=True)
    pixels, mimic = control.receives(control(smooth(2), MASK)).values()
    assert torch.equal(pixels, mimic)


def test_agreement_is_shown_where_patches_mimic():
    model, images = seeded(mrmae).eval(), smooth(2)
    shown = model.agreement(images, MASK)
    assert torch.equal(shown.isnan(), MASK.hidden)
    features, seen = model.teacher(images), model.encode(images, MASK)
    patch = int(MASK.keep_ids[1, 2])
    cosine = F.cosine_similarity(model.mimic.head(seen[1, 3]), features[1, 1 + patch], dim=0)
    assert shown[1, patch].item() == pytest.approx(cosine.item(), abs=1e-5)
    control = seeded(mrmae, shared=True).eval().agreement(images, MASK)
    assert torch.equal(control.isnan(), ~MASK.hidden)


def test_conflict_is_the_cosine_of_two_gradients():
    model = seeded(mrmae)
    outcome = model(smooth(2), MASK)
    grads = []
    for loss in (outcome.loss - outcome.terms["mimic"], outcome.terms["mimic"]):
        model.zero_grad()
        loss.backward(retain_graph=True)
        grads.append(
            torch.cat(
                [
                    torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten()
                    for p in model.encoder.parameters()
                ]
            )
        )
    model.zero_grad(set_to_none=True)
    found = conflict(outcome, model.encoder)
    assert found == {"mimic": pytest.approx(F.cosine_similarity(*grads, dim=0).item(), abs=1e-5)}
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(ValueError, match="carries no gradient"):
        conflict(outcome.detached(), model.encoder)
    model.mimic.requires_grad_(True)
    silent = model(smooth(2), MASK)
    silent.terms["mimic"] = silent.terms["mimic"].detach()
    assert math.isnan(conflict(silent, model.encoder)["mimic"])


def test_apart_the_losses_do_not_disturb_each_other_more_than_on_the_same_patches():
    """Mean of six seeds, after a short training: the cosine of the two gradients is not lower than the control's."""
    found = {}
    for shared in (False, True):
        cosines = []
        for seed in range(6):
            torch.manual_seed(seed)
            model = mrmae(encoder("mrmae"), dim=32, depth=1, shared=shared, teacher=mv.load_vit("tiny-classifier"))
            list(mv.fit(model, [smooth(4)], steps=10, lr=1e-3, warmup=0))
            torch.manual_seed(100 + seed)
            cosines.append(conflict(model(smooth(4)), model.encoder)["mimic"])
        found[shared] = sum(cosines) / len(cosines)
    assert found[False] >= found[True] - 0.05, found


def test_where_all_is_hidden_nothing_mimics():
    outcome = seeded(mrmae)(smooth(2), Mask.all(GRID))
    assert outcome.terms["mimic"] == 0 and torch.isfinite(outcome.loss)
