"""TIPS: a naive twin of its masked and its distilled term; what carries a gradient, and what does not."""

import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.core import Mask

from .small import GRID, made


@pytest.fixture
def model():
    model = made("tips").eval()
    for other in (model.teacher.encoder, model.teacher.others[0]):  # a teacher that differs from the student
        for p in other.parameters():
            p.data += 0.02 * torch.randn_like(p)
    model.target.patch_centre.normal_(std=0.1)
    model.target.class_centre.normal_(std=0.1)
    return model


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def cosines(head, token):
    made = head.layers[2](F.gelu(head.layers[0](token)))
    directions = head.directions.weight
    return torch.stack([made @ each / (made.norm() * each.norm()) for each in directions])


def test_both_terms_are_those_of_a_naive_twin(model):
    mask = Mask.random(GRID, ratio=0.6, seed=1, batch=2)
    outcome = model(images(), mask).detached()
    crops, masked, distilled = model.cut(images()), [], []
    with torch.no_grad():
        for b in range(2):
            full = model.teacher.encoder.vit.forward_features(images()[b : b + 1])[0]
            student = model.encode(images()[b : b + 1], mask[b])[0]
            for n in mask.hidden[b].nonzero()[:, 0].tolist():
                truth = ((cosines(model.teacher.others[0], full[1 + n]) - model.target.patch_centre) / 0.04).softmax(0)
                masked.append(-(truth * (cosines(model.decoder, student[1 + n]) / 0.1).log_softmax(0)).sum())
            truth = ((cosines(model.teacher.others[0], full[0]) - model.target.class_centre) / 0.04).softmax(0)
            for c in range(2):
                local = model.encoder.vit.forward_features(crops[2 * c + b : 2 * c + b + 1])[0, 0]
                distilled.append(-(truth * (cosines(model.decoder, local) / 0.1).log_softmax(0)).sum())
    torch.testing.assert_close(outcome.terms["distilled"], torch.stack(distilled).mean(), rtol=1e-4, atol=1e-4)
    wanted = 2 * torch.stack(masked).mean() + torch.stack(distilled).mean()
    assert outcome.loss == pytest.approx(float(wanted), rel=1e-4)


def test_patches_that_are_visible_carry_no_gradient(model):
    mask, seen = Mask.random(GRID, ratio=0.6, seed=1, batch=2), []
    model.decoder.register_forward_hook(lambda module, args, out: (out.retain_grad(), seen.append(out))[0])
    model.distilled = 0
    model(images(), mask).loss.backward()
    assert (seen[0].grad[~mask.hidden] == 0).all() and seen[0].grad[mask.hidden].any(-1).all()
    assert all(p.grad is None for p in model.teacher.parameters())


def test_a_teacher_that_is_the_student_leaves_its_own_entropy():
    """Nothing hidden, no centre, one temperature: the cross-entropy is the entropy, and no lower one there is."""
    model = made("tips").eval()
    model.target.temperature = model.decoder.temperature
    nothing = Mask.none(GRID).expand(2)
    outcome = model(images(), nothing).detached()
    chances = outcome.truth
    entropy = -(chances * chances.log()).sum(-1)
    torch.testing.assert_close(outcome.patch_loss / 2, entropy, atol=1e-5, rtol=1e-5)


def test_without_distillation_it_is_the_masked_term_bit_for_bit(model):
    mask = Mask.random(GRID, ratio=0.6, seed=1, batch=2)
    both = model(images(), mask).detached()
    model.distilled = 0
    alone = model(images(), mask).detached()
    assert torch.equal(alone.patch_loss, both.patch_loss) and not alone.terms
    assert both.loss == pytest.approx(alone.loss + float(both.terms["distilled"]), rel=1e-6)


def test_crops_are_parts_of_their_picture():
    """Of a picture whose colours are its places, a crop shows a rectangle inside, of the area asked for."""
    model = made("tips").train()
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    cuts = model.cut(torch.stack([x, y, x]).expand(20, -1, -1, -1))
    assert cuts.shape == (40, 3, 32, 32)
    width, height = (cuts[:, c].amax((1, 2)) - cuts[:, c].amin((1, 2)) for c in (0, 1))
    area = width / 2 * height / 2
    assert (area > 0.04).all() and (area < 0.41).all() and area.std() > 0.05
    torch.testing.assert_close(width, height, atol=2 / 31, rtol=0)  # a pixel, where the crop meets the border
    assert cuts.abs().max() <= 1
    model.eval()
    assert torch.equal(model.cut(images()), model.cut(images()))


def test_teacher_and_centres_follow_after_each_step():
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    model = mv.recipes.tips(encoder, prototypes=16, hidden=32, crops=2, momentum=0.9)
    before = model.teacher.others[0].directions.weight.clone()
    for _ in mv.fit(model, [images()], steps=2, lr=1e-2, warmup=0):
        pass
    assert model.target.patch_centre.any() and model.target.class_centre.any()
    assert not torch.equal(model.teacher.others[0].directions.weight, before)
    centre, scores = torch.zeros(16), torch.rand(16)
    model.target.patch_centre.zero_()
    model.target._means = [scores, scores]
    model.target.update()
    torch.testing.assert_close(model.target.patch_centre, 0.9 * centre + 0.1 * scores)


def test_an_encoder_without_a_class_token():
    encoder = mv.encoder(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, class_token=False, global_pool="avg"
    )
    with pytest.raises(TypeError, match="no class token"):
        mv.recipes.tips(encoder)


def test_ids_say_which_prototype_and_leave_the_centres_alone(model):
    model.target.train()
    model(images(), Mask.random(GRID, ratio=0.6, seed=1, batch=2))
    before = model.target._means
    ids = model.target.ids(images().flip(0))
    assert torch.equal(ids, model.target.both(images().flip(0))[1].argmax(-1)) and model.target.count == 16
    model.target._means = before
    model.target.ids(images())
    assert model.target._means is before
