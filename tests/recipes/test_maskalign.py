"""MaskAlign: its loss by hand, after the authors' code; what is hidden is neither seen nor asked for; which layer says what."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes import mae, maskalign

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def test_the_loss_is_the_papers():
    """For each of the teacher's last blocks a mixture of all blocks and a layer of its own, 2 · smooth L1, with loops."""
    model, images = made("maskalign"), smooth(2)
    for p in [*model.encoder.parameters(), *model.decoder.parameters()]:
        p.data += 0.02 * torch.randn_like(p)
    outcome = model(images, MASK)
    teacher, student = model.teacher.encoder.vit, model.encoder.vit
    kept = student.patch_embed(images) + student.pos_embed[:, 1:]
    first = (student.cls_token + student.pos_embed[:, :1]).expand(2, -1, -1)
    x = torch.cat([first, torch.stack([row[ids] for row, ids in zip(kept, MASK.keep_ids, strict=True)])], 1)
    mine, theirs, y = (
        [],
        [],
        torch.cat([first * 0 + teacher.cls_token, teacher.patch_embed(images)], 1) + teacher.pos_embed,
    )
    for one, other in zip(student.blocks, teacher.blocks, strict=True):
        x, y = one(x), other(y)
        mine.append(x)
        theirs.append(y)
    losses = []
    for j in range(2):
        mixed = sum(model.decoder.weights[j, block] * mine[block] for block in range(2))
        guess = model.decoder.heads[j](mixed)
        for b in range(2):
            for row, token in enumerate([0, *(1 + MASK.keep_ids[b]).tolist()]):
                truth = theirs[j][b, token]
                truth = (truth - truth.mean()) / (truth.var(unbiased=False) + 1e-5).sqrt()
                far = (guess[b, row] - truth).abs()
                losses.append(2 * torch.where(far < 1, far**2 / 2, far - 0.5).mean())
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def test_a_copy_of_the_teacher_that_sees_all_has_nothing_to_learn():
    """Identity layers, each block for itself, no norm, nothing hidden: 0."""
    model = maskalign(encoder("maskalign"), norm="none")
    for head in model.decoder.heads:
        torch.nn.init.eye_(head.weight)
        torch.nn.init.zeros_(head.bias)
    model.decoder.weights.data = torch.eye(2)
    assert model(smooth(2), Mask.none(GRID)).loss.item() == pytest.approx(0, abs=1e-9)
    assert model(smooth(2), MASK).loss > 1e-5, "what is hidden is missed"


def test_hidden_patches_receive_no_loss_and_mixing_is_learnt():
    model = made("maskalign")
    outcome = model(smooth(2), MASK)
    assert torch.equal(outcome.where, MASK.keep_ids) and torch.equal(outcome.mask.predict, ~MASK.hidden)
    outcome.loss.backward()
    assert (model.decoder.weights.grad != 0).all()
    before = model.mixing().clone()
    torch.testing.assert_close(before, torch.eye(2) + 0.01)
    losses = [step.loss for step in mv.fit(model, [smooth(2)], steps=20, lr=3e-3, warmup=0)]
    assert losses[-1] < losses[0] and not torch.equal(model.shares, before) and model.layers == (0, 1)


def test_attended_patches_are_likely_to_be_seen():
    """Drawn in proportion to the teacher's attention: how often a patch is seen rises with it, and none is sure."""
    model = made("maskalign")
    model.where = type(model.where)(model.where.score, 0.7)
    image = smooth(1)
    chances = torch.linspace(0.2, 2.0, 16)

    class Score:
        def __call__(self, images, grid, generator=None):
            return mv.Heatmap(chances.expand(len(images), -1).reshape(-1, 4, 4), by="test")

    where = type(model.where)(Score(), 0.7)
    torch.manual_seed(0)
    seen = (~where(image.expand(2000, -1, -1, -1), GRID).hidden).float()
    assert (seen.sum(1) == 4).all()
    often = seen.mean(0)
    assert torch.corrcoef(torch.stack([often, chances]))[0, 1] > 0.98 and often.min() > 0 and often.max() < 0.6
    assert (~model.where(image, GRID).hidden).sum() == 4


def test_distinct_from_mae():
    """No decoder and no mask token; gradient in the first block points elsewhere than MAE's."""
    grads = []
    for recipe, keywords in ((maskalign, {}), (mae, {"dim": 32, "depth": 1})):
        torch.manual_seed(0)
        student = encoder("maskalign")
        model = recipe(student, **keywords)
        model(smooth(2), MASK).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.vit.blocks[0].parameters()]))
    assert abs(torch.cosine_similarity(*grads, dim=0)) < 0.5
    assert not any("token" in name for name, _ in made("maskalign").decoder.named_parameters())


def test_teachers_of_another_depth_and_students_whose_blocks_differ():
    model = maskalign(encoder("maskalign"), teacher=mv.load_vit("tiny-classifier"))
    rows = model.mixing()
    assert rows.shape == (len(model.teacher.encoder.anatomy.blocks), 2) and (rows == 0.5).all()
    assert torch.isfinite(model(smooth(2), MASK).loss)
    with pytest.raises(TypeError, match="a ResNet attends to nothing"):
        maskalign(encoder("maskalign"), teacher=encoder("spark"))
    assert torch.isfinite(
        maskalign(encoder("maskalign"), teacher=encoder("spark"), attentive=False, top=1)(smooth(2), MASK).loss
    )
    with pytest.raises(TypeError, match="mixes all blocks, but those of this Hiera"):
        maskalign(encoder("itpn"))
