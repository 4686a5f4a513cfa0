"""A teacher is looked at and never trained; its features are those of timm; a resumed run is exact."""

import pytest
import timm
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar import EMA, Frozen, MaskedModel, Teacher
from mimviz.grammar.decoders import Linear
from mimviz.grammar.how import MaskToken
from mimviz.grammar.losses import SmoothL1, cosine, cross_entropy
from mimviz.grammar.targets import Features, Layers, Normed, Pixels
from mimviz.grammar.targets.features import normed
from mimviz.grammar.where import Highest

IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32).sin().reshape(2, 3, 32, 32)


def student(**keywords):
    torch.manual_seed(0)
    keywords = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3} | keywords
    return mv.encoder("vit_tiny_patch16_224", **keywords)


def model(teacher, encoder):
    torch.manual_seed(1)
    target = Features(teacher)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    how = MaskToken(encoder.content_width)
    return MaskedModel(
        encoder, where=Highest(0.5), how=how, target=target, decoder=decoder, loss=SmoothL1(), teacher=teacher
    )


def test_features_are_those_that_timm_gives():
    encoder = student()
    teacher = Teacher(encoder)
    expected = encoder.vit.forward_intermediates(IMAGES, indices=[0, 2], norm=False, output_fmt="NLC")
    torch.testing.assert_close(teacher.features(IMAGES, layer=0), expected[1][0])
    torch.testing.assert_close(teacher.layers(IMAGES, [-1, 0])[0], expected[1][1])
    torch.testing.assert_close(teacher(IMAGES), expected[0])
    torch.testing.assert_close(teacher.features(IMAGES), expected[0][:, 1:])
    with pytest.raises(IndexError, match=r"layer is 3.*3 blocks"):
        teacher.features(IMAGES, layer=3)


def test_attention_is_that_of_a_scene():
    teacher, encoder = Teacher(student()), student()
    expected = mv.Scene(encoder, IMAGES).trace.attention[1][:, :, 0, 1:]
    torch.testing.assert_close(teacher.attention(IMAGES, layer=1), expected)
    without = Teacher(student(class_token=False, global_pool="avg"))
    torch.testing.assert_close(without.attention(IMAGES).sum(-1), torch.ones(2, 3))


def test_a_teacher_stays_in_eval_mode_and_out_of_the_optimizer():
    encoder = student(proj_drop_rate=0.5)
    whole = model(EMA(encoder), encoder).train()
    assert encoder.vit.training and not any(m.training for m in whole.teacher.modules())
    whole(IMAGES).loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in whole.teacher.parameters())
    assert any(key.startswith("teacher.encoder.vit.blocks") for key in whole.state_dict())
    assert len({p.data_ptr() for p in whole.state_dict().values() if p.numel()}) == len(whole.state_dict())


def test_the_average_is_the_formula_step_by_step():
    encoder = student(depth=1)
    teacher = EMA(encoder, momentum=0.9, end=1.0, steps=4)
    weight, naive, momenta = encoder.vit.blocks[0].mlp.fc1.weight, [], []
    slow = weight.detach().clone()
    for _ in range(6):
        with torch.no_grad():
            weight.add_(torch.randn_like(weight))
        momenta.append(teacher.momentum)
        teacher.update(encoder)
        slow = momenta[-1] * slow + (1 - momenta[-1]) * weight.detach()
        naive.append(slow)
    assert momenta == pytest.approx([0.9, 0.925, 0.95, 0.975, 1.0, 1.0])
    torch.testing.assert_close(teacher.encoder.vit.blocks[0].mlp.fc1.weight, naive[-1])
    assert EMA(encoder, momentum=0.9, end=1.0, steps=4, schedule="cosine").momentum == pytest.approx(0.9)


def test_it_follows_during_training_and_a_resumed_run_is_exact(tmp_path):
    def run(**keywords):
        encoder = student(depth=1)
        whole = model(EMA(encoder, momentum=0.5, end=0.9, steps=6), encoder)
        losses = [step.loss for step in mv.fit(whole, [IMAGES], steps=6, lr=1e-3, warmup=0, **keywords)]
        return whole, losses

    once, losses = run()
    path = tmp_path / "run.safetensors"
    run(checkpoint=path, until=3)
    again, later = run(checkpoint=path)
    assert later == losses[3:]
    assert int(again.teacher.updates) == 6
    for key, value in once.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    weight = "encoder.vit.blocks.0.mlp.fc1.weight"
    assert not torch.equal(once.state_dict()[weight], once.state_dict()["teacher." + weight])


def test_a_frozen_teacher_sees_what_it_is_used_to():
    """Its own mean and spread, its own size; features on the student's grid; the user's model stays as it was."""
    encoder = student()
    plain = timm.create_model("vit_tiny_patch16_224", img_size=24, patch_size=8, depth=1).train()
    plain.pretrained_cfg = plain.pretrained_cfg | {
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.3, 0.2),
        "input_size": (3, 24, 24),
    }
    teacher = Frozen(plain, student=encoder)
    rgb = IMAGES * torch.tensor(encoder.std)[:, None, None] + torch.tensor(encoder.mean)[:, None, None]
    small = F.interpolate(rgb, (24, 24), mode="bicubic", antialias=True)
    own = (small - torch.tensor([0.1, 0.2, 0.3])[:, None, None]) / torch.tensor([0.4, 0.3, 0.2])[:, None, None]
    torch.testing.assert_close(teacher._seen(IMAGES), own, atol=1e-4, rtol=1e-4)
    assert teacher.features(IMAGES).shape == (2, 16, 192) and teacher.features(IMAGES, layer=0).shape == (2, 16, 192)
    assert teacher.attention(IMAGES).shape == (2, 3, 16)
    assert plain.training and all(p.requires_grad for p in plain.parameters())
    same = model(teacher, encoder)
    before = [p.clone() for p in teacher.parameters()]
    list(mv.fit(same, [IMAGES], steps=2))
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


def test_features_as_data2vec_averages_them():
    """Naive twin of section 3.3: norm each layer without weights, average, (norm again)."""
    teacher = Teacher(student())
    rows = [teacher.features(IMAGES, layer=layer) for layer in (1, 2)]

    def standard(x, dim):
        return (x - x.mean(dim, keepdim=True)) / (x.var(dim, keepdim=True, unbiased=False) + 1e-5).sqrt()

    mean = (standard(rows[0], 1) + standard(rows[1], 1)) / 2
    torch.testing.assert_close(Features(teacher, top=2, each="instance", whole="none")(IMAGES), mean)
    torch.testing.assert_close(Features(teacher, top=2, each="instance")(IMAGES), standard(mean, 2))
    torch.testing.assert_close(Features(teacher, whole="layer")(IMAGES), standard(teacher.features(IMAGES), 2))
    for wrong in ({"top": 4}, {"top": -1}):
        with pytest.raises(ValueError, match=r"top is (4|-1)"):
            Features(teacher, **wrong)


def test_features_have_colours_that_can_be_compared():
    target = Features(Teacher(student()))
    rows = target(IMAGES)
    drawn = target.draw(rows)
    assert drawn.shape == (2, 4, 4, 3) and drawn.min() >= 0 and drawn.max() <= 1
    assert drawn.std((0, 1, 2)).min() > 0.05
    assert torch.equal(target.draw(rows[:1], like=rows), drawn[:1]), "the same axes and range"
    shifted = target.draw(rows + 1.0, like=rows)
    assert not torch.allclose(shifted, drawn), "a shift shows, since the colours are those of `like`"


def test_losses_by_hand():
    guess, truth = torch.tensor([[[0.0, 3.0]]]), torch.tensor([[[1.0, -3.0]]])
    assert SmoothL1(2.0)(guess, truth).tolist() == [[[0.25, 5.0]]]
    assert cosine(guess, truth).item() == pytest.approx(1 + 9 / (3 * 10**0.5))
    logits, code = torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1]]])
    nats = float(torch.tensor([1.0, 2.0, 3.0]).sub(2).exp().sum().log())
    assert cross_entropy(logits, code).item() == pytest.approx(nats)
    soft = F.one_hot(code[..., 0], 3).float()
    assert cross_entropy(logits, soft).item() == pytest.approx(nats)


@pytest.mark.parametrize("wrong", [{"momentum": 1.5}, {"end": -0.1}, {"steps": 0}])
def test_schedules_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="at least one step"):
        EMA(student(depth=1), **wrong)


def test_class_tokens_come_along_from_the_same_pass():
    teacher = Teacher(student())
    blocks = teacher.layers(IMAGES, [1, 2], prefix=True)
    whole, patches = Features(teacher, top=2, each="layer", whole="none").both(IMAGES)
    rows = sum(F.layer_norm(each, each.shape[-1:]) for each in blocks) / 2
    torch.testing.assert_close(whole, rows[:, 0])
    torch.testing.assert_close(patches, rows[:, 1:])
    assert torch.equal(patches, Features(teacher, top=2, each="layer", whole="none")(IMAGES))
    without = Features(Teacher(student(class_token=False, global_pool="avg")))
    assert without.both(IMAGES)[0] is None


def test_layers_stand_side_by_side():
    teacher = Teacher(student())
    target = Layers(teacher, top=2, each="l2", whole="none")
    whole, patches = target.both(IMAGES)
    assert patches.shape == (2, 16, target.width) and target.width == 48 and whole.shape == (2, 48)
    for n, block in enumerate(teacher.layers(IMAGES, [-2, -1])):
        torch.testing.assert_close(patches[..., 24 * n : 24 * (n + 1)], F.normalize(block, dim=-1))
    with pytest.raises(ValueError, match="at least one block"):
        Layers(teacher, top=0)


def test_norms_by_hand():
    x = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    for norm, wanted in {
        "none": x,
        "layer": (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt(),
        "patch": (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-6).sqrt(),
        "l2": x / x.norm(dim=-1, keepdim=True),
        "instance": (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt(),
    }.items():
        torch.testing.assert_close(normed(x, norm), wanted)
    grid = student().grid
    pixels, mask = Pixels(grid, normalize=False), Mask.none(grid)
    assert torch.equal(Normed(pixels, "l2")(IMAGES, mask), F.normalize(pixels(IMAGES, mask), dim=-1))
    torch.testing.assert_close(Normed(pixels, "patch")(IMAGES, mask), Pixels(grid)(IMAGES, mask))
