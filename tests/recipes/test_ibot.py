"""iBOT: its loss by hand, after the authors' code; views, masks that are sometimes there, temperatures, and slow state."""

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.where import Sometimes
from mimviz.recipes import ibot, mae

from .small import GRID, encoder, made
from .test_invariants import smooth

hidden = torch.zeros(2, 16, dtype=torch.bool)
hidden[0, :5], hidden[1, 3:12] = True, True
MASK = Mask(hidden, None, (4, 4))  # two pictures of which unequal parts are hidden


@pytest.fixture
def model():
    model = made("ibot").eval()
    for other in (model.teacher.encoder, model.teacher.others[0]):  # a teacher that differs from the student
        for p in other.parameters():
            p.data += 0.02 * torch.randn_like(p)
    model.target.patch_centre.normal_(std=0.1)
    model.target.class_centre.normal_(std=0.1)
    model.teacher.updates += 150
    return model


def scores(head, tokens):
    """Three layers, then cosines with learnt directions."""
    for layer in (head.layers[0], head.layers[2]):
        tokens = F.gelu(layer(tokens))
    return F.normalize(head.layers[4](tokens), dim=-1) @ F.normalize(head.directions.weight, dim=-1).T


def test_the_loss_is_the_authors(model):
    """Class tokens cross over, patches stay; each picture's mean first; temperature of patches half way of its warm-up."""
    images = smooth(2)
    outcome = model(images, MASK)
    views = [images, model.view(images)]
    masks = [MASK, model.where(views[1], GRID, torch.Generator().manual_seed(0))]
    target, teacher, patch, cross = model.target, model.teacher, [], []
    given = [scores(teacher.others[0], teacher.encoder.vit.forward_features(view)) for view in views]
    said = [scores(model.decoder, model.encode(view, mask)) / 0.1 for view, mask in zip(views, masks, strict=True)]
    for q in range(2):
        for v in range(2):
            if q == v:
                truth = ((given[q][:, 1:] - target.patch_centre) / 0.055).softmax(-1)
                losses = -(truth * said[v][:, 1:].log_softmax(-1)).sum(-1)
                patch.append(
                    torch.stack(
                        [row[m].sum() / max(m.sum(), 1) for row, m in zip(losses, masks[v].hidden, strict=True)]
                    ).mean()
                )
            else:
                truth = ((given[q][:, 0] - target.class_centre) / 0.04).softmax(-1)
                cross.append(-(truth * said[v][:, 0].log_softmax(-1)).sum(-1).mean())
    torch.testing.assert_close(outcome.terms["class"], sum(cross) / 2, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outcome.loss, sum(cross) / 2 + sum(patch) / 2, rtol=1e-4, atol=1e-5)


def test_without_class_tokens_it_is_the_masked_term_alone(model):
    both = model(smooth(2), MASK)
    model.distilled = 0
    alone = model(smooth(2), MASK)
    assert not alone.terms and torch.equal(alone.patch_loss / 2, both.patch_loss)
    model.distilled, model.masked = 1, 0
    only = model(smooth(2), MASK)
    torch.testing.assert_close(only.loss, both.terms["class"])


def test_visible_patches_carry_no_gradient_but_class_tokens_do(model):
    seen = []
    model.distilled = 0
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    model(smooth(2), MASK).loss.backward()
    assert (seen[0].grad[~MASK.hidden] == 0).all() and seen[0].grad[MASK.hidden].any(-1).all()
    model.zero_grad()
    model.distilled, model.masked = 1, 0
    model(smooth(2), MASK).loss.backward()
    assert model.encoder.vit.cls_token.grad.any() and all(p.grad is None for p in model.teacher.parameters())


def test_masks_are_there_in_about_every_second_picture():
    torch.manual_seed(0)
    grid = mv.Grid(14, 14, 8)
    counts = Sometimes()(torch.zeros(400, 3, 112, 112), grid).hidden.sum(1).float() / 196
    there = counts > 0
    assert there[0] and 0.4 < there.float().mean() < 0.6
    assert 0.09 < counts[there].min() < 0.2 and 0.4 < counts[there].max() < 0.51 and counts[there].std() > 0.08
    for _ in range(20):
        assert Sometimes(chance=0.0)(torch.zeros(3, 3, 112, 112), grid).hidden.any(1).tolist() == [True, False, False]
    with pytest.raises(ValueError, match=r"ratio is 0\.1, spread 0\.2"):
        Sometimes(0.1, 0.2)


def test_the_other_view_is_a_part_and_half_of_them_are_mirrored():
    """Of a picture whose colours are its places, the share of its area, and whether x falls from left to right."""
    model = made("ibot").train()
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    views = model.view(torch.stack([x, y, x]).expand(200, -1, -1, -1))
    width, height = (views[:, c].amax((1, 2)) - views[:, c].amin((1, 2)) for c in (0, 1))
    area = width / 2 * height / 2
    assert area.min() > 0.1 and area.max() > 0.8 and views.abs().max() <= 1
    mirrored = views[:, 0, :, 0].mean(1) > views[:, 0, :, -1].mean(1)
    assert 0.4 < mirrored.float().mean() < 0.6


def test_teacher_centres_and_temperature_follow():
    student = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    model = ibot(student, prototypes=16, hidden=32, dim=16, momentum=0.9, warmup=4)
    before = model.teacher.others[0].directions.weight.clone()
    assert model.target.patch_temperature == pytest.approx(0.04)
    list(mv.fit(model, [smooth(2)], steps=2, lr=1e-2, warmup=0))
    assert model.target.patch_temperature == pytest.approx(0.055)
    assert model.target.patch_centre.any() and not torch.equal(model.teacher.others[0].directions.weight, before)
    model.teacher.updates += 100
    assert model.target.patch_temperature == pytest.approx(0.07)


def test_distinct_from_mae():
    grads = []
    for recipe, keywords in ((ibot, {"prototypes": 16, "hidden": 32, "dim": 16}), (mae, {"dim": 32, "depth": 1})):
        torch.manual_seed(0)
        student = encoder("ibot")
        recipe(student, **keywords)(smooth(2), Mask.random(GRID, ratio=0.5, seed=1)).loss.backward()
        grads.append(torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None]))
    assert abs(torch.cosine_similarity(*grads, dim=0)) < 0.5


def test_an_encoder_without_a_class_token():
    student = mv.encoder(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, class_token=False, global_pool="avg"
    )
    with pytest.raises(TypeError, match="no class token"):
        ibot(student)
