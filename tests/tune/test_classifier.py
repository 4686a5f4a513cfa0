"""Classifiers made of a masked model's encoder: what they compute, what a step of training sees, how they learn."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.data import Batches
from mimviz.tune import Classifier, Prediction, classifier, layer_decay

HALF = (0.5, 0.5, 0.5)


def masked(seed=0, **options):
    torch.manual_seed(seed)
    small = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "positions": "sincos"}
    return mv.recipes.mae(mv.encoder("vit_tiny_patch16_224", **small | options), dim=16, depth=1).eval()


def learner(seed=0, classes=3, **options):
    mim = masked(seed)
    return Classifier(classifier(mim, classes), **{"steps": 6, **options})


def planted(count=24):
    """Pictures of noise with one bright corner; which corner is the class (0, 1, 2)."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 120, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    for image, label in zip(images, labels.tolist(), strict=True):
        row, col = ((0, 0), (0, 8), (8, 4))[label]
        image[:, row : row + 8, col : col + 8] = 250
    return images, labels


def batches(**options):
    images, labels = planted()
    return Batches(images, 6, mean=HALF, std=HALF, labels=labels, augment=False, **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    "options", [{}, {"reg_tokens": 2}, {"class_token": False, "global_pool": "avg", "fc_norm": False}]
)
def test_the_classifier_is_a_plain_timm_vit_over_the_encoder_s_features(options):
    mim = masked(**options)
    vit = classifier(mim, 5).eval()
    torch.nn.init.normal_(vit.head.weight)
    images = torch.randn(2, 3, 16, 16)
    tokens = mim.encoder(mim.encoder.embed(images))[:, mim.encoder.prefix :]  # (B, N, width)
    torch.testing.assert_close(vit(images), tokens.mean(1) @ vit.head.weight.T + vit.head.bias)
    assert type(vit).__name__ == "VisionTransformer" and vit.num_classes == 5
    assert vit.pretrained_cfg["input_size"] == (3, 16, 16)


def test_the_masked_model_stays_as_it_is():
    mim = masked()
    before = {key: value.clone() for key, value in mim.state_dict().items()}
    list(mv.fit(Classifier(classifier(mim, 3), steps=3), batches(), steps=3))
    assert all(torch.equal(value, before[key]) for key, value in mim.state_dict().items())
    assert not mim.encoder.vit.pos_embed.requires_grad and mim.encoder.vit.num_classes == 0


def test_dropping_patches_equals_the_naive_twin():
    model = learner(keep=0.25, whole=0).train()
    vit, images, labels = model.vit, torch.randn(3, 3, 16, 16), torch.tensor([0, 1, 2])
    torch.nn.init.normal_(vit.head.weight)
    mask = Mask.random(model.encoder.grid, ratio=0.75, seed=4).expand(3)
    model.where = lambda *_: mask
    logits = []
    for image, hidden in zip(images, mask.hidden, strict=True):
        patches = vit.patch_embed(image[None])[0] + vit.pos_embed[0, 1:]
        tokens = [vit.cls_token[0, 0] + vit.pos_embed[0, 0]]
        tokens += [patches[n] for n in range(16) if not hidden[n]]
        x = torch.stack(tokens)[None]
        for block in vit.blocks:
            x = block(x)
        logits.append(vit.head(vit.norm(x)[0, 1:].mean(0)))
    torch.testing.assert_close(model(images, labels).logits, torch.stack(logits))


def test_the_last_share_of_the_steps_and_an_evaluation_see_all_patches():
    model, seen = learner(keep=0.25, whole=0.5), []
    model.vit.blocks.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1] - 1))
    list(mv.fit(model, batches(), steps=6))
    assert seen == [4, 4, 4, 16, 16, 16]
    model.vit(torch.zeros(1, 3, 16, 16))
    model(torch.zeros(1, 3, 16, 16), torch.tensor([0]))
    assert seen[6:] == [16, 16]


def test_it_learns():
    model = learner(steps=60, keep=0.5, whole=0.3)
    list(mv.fit(model, batches(), steps=60, lr=3e-3, scales=layer_decay(model, 0.9)))
    images, labels = planted()
    assert Prediction(model.vit((images / 255 - 0.5) / 0.5), labels).accuracy > 0.9


@pytest.mark.parametrize("left_at", [1, 3, 5])
def test_a_run_that_was_left_goes_on_to_the_same_numbers(tmp_path, left_at):
    """Also over the step after which all patches are seen."""
    file, whole, first = tmp_path / "run.safetensors", learner(keep=0.5, whole=0.5), learner(keep=0.5, whole=0.5)
    scales = layer_decay(whole, 0.5)
    losses = [step.loss for step in mv.fit(whole, batches(), steps=6, scales=scales)]
    for step in mv.fit(first, batches(), steps=6, scales=scales, checkpoint=file, every=2):
        if step.index == left_at:
            break
    again = learner(seed=5, keep=0.5, whole=0.5)
    assert [s.loss for s in mv.fit(again, batches(), steps=6, scales=scales, checkpoint=file, every=2)] == losses[
        left_at:
    ]
    assert torch.equal(weights(again), weights(whole))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_cross_entropy_with_smoothed_labels(smoothing):
    logits, labels = torch.randn(4, 5), torch.tensor([0, 4, 2, 2])
    wanted = 0.0
    for row, label in zip(logits.double(), labels, strict=True):
        for k in range(5):
            share = smoothing / 5 + (1 - smoothing) * (k == label)
            wanted -= share * math.log(math.exp(row[k]) / sum(math.exp(x) for x in row)) / 4
    assert Prediction(logits, labels, smoothing).loss == pytest.approx(float(wanted), rel=1e-5)
    assert len(Prediction(logits, labels)) == 4


def test_what_cannot_be_a_classifier_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        classifier(masked(), 1)
    for wrong in ({"keep": 0}, {"keep": 1.2}, {"whole": -0.1}, {"smoothing": 1.0}):
        with pytest.raises(ValueError, match="shares from 0 to 1"):
            learner(**wrong)
    images = torch.rand(2, 3, 16, 16)
    for wrong in (images, [images], (images, torch.zeros(3)), (images, "labels")):
        with pytest.raises(TypeError, match="holds no labels"):
            next(mv.fit(learner(), [wrong]))
