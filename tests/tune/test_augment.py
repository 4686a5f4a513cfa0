"""mixup, CutMix, RandAugment, random erasing and the learning rate by the batch: timm's and MAE's own."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import Mixup, create_transform
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy

import mimviz as mv
from mimviz.tune import Augmented, Classifier, Mix, Prediction, classifier, scaled_lr
from mimviz.tune._seeded import seeded

from .small import HALF, batches, masked, planted, weights


@pytest.mark.parametrize("each", ["batch", "pair", "elem"])
@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 1.0), (0.8, 0.0), (0.0, 1.0)])
def test_mixing_equals_timm_s(each, mixup, cutmix):
    images, labels = torch.rand(6, 3, 16, 16), torch.tensor([0, 1, 2, 2, 1, 0])
    for seed in range(4):
        torch.manual_seed(seed)
        mixed, shares = Mix(3, mixup=mixup, cutmix=cutmix, each=each)(images, labels)
        torch.manual_seed(seed)
        with seeded():
            theirs = Mixup(mixup, cutmix, prob=1.0, switch_prob=0.5, mode=each, label_smoothing=0.1, num_classes=3)
            want_images, want_labels = theirs(images.clone(), labels)
        assert torch.equal(mixed, want_images)
        torch.testing.assert_close(shares * 0.9 + 0.1 / 3, want_labels)  # timm smooths here, mimviz in the loss
        logits = torch.randn(6, 3)
        loss = Prediction(logits, shares, 0.1).loss
        assert loss == pytest.approx(float(SoftTargetCrossEntropy()(logits, want_labels)), abs=1e-6)


def test_without_mixing_the_loss_equals_timm_s():
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    assert Prediction(logits, labels, 0.1).loss == pytest.approx(
        float(LabelSmoothingCrossEntropy(0.1)(logits, labels)), abs=1e-6
    )


def test_mixing_is_for_training_and_a_run_repeats():
    def run():
        model = Classifier(classifier(masked(), 3), steps=4, mix=Mix(3))
        random.seed(1), np.random.seed(1)  # noqa: NPY002  what a caller does to the global generators changes nothing
        return [step.loss for step in mv.fit(model, batches(), steps=4)], model

    before = random.getstate()
    (one, model), (two, other) = run(), run()
    assert one == two and torch.equal(weights(model), weights(other))
    random.setstate(before)
    images, labels = torch.rand(6, 3, 16, 16), torch.tensor([0, 1, 2, 2, 1, 0])
    assert torch.equal(model.eval()(images, labels).labels, labels)
    assert model.train()(images, labels).labels.shape == (6, 3)


def test_the_generators_are_left_as_they_were():
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    first = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    Mix(3)(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]))
    assert first == (random.random(), np.random.rand())  # noqa: NPY002


@pytest.mark.parametrize("options", [{}, {"policy": None, "jitter": 0.4}, {"policy": "augmix-m3-w3", "erase": 0.0}])
def test_augmentation_equals_timm_s(options):
    images, labels = planted()
    ours = Augmented(images, 6, mean=HALF, std=(0.2, 0.3, 0.4), labels=labels, seed=5, **options)
    state = torch.get_rng_state()
    pictures, classes = ours.at(2)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(classes, labels[ours.ids(2)])
    theirs = create_transform(
        16, is_training=True, scale=(0.5, 1.0), ratio=(3 / 4, 4 / 3), mean=HALF, std=(0.2, 0.3, 0.4), interpolation="bicubic",
        auto_augment=options.get("policy", "rand-m9-mstd0.5-inc1"), re_prob=options.get("erase", 0.25), re_mode="pixel",
        color_jitter=options.get("jitter"),
    )  # fmt: skip
    for place, index in enumerate(ours.ids(2).tolist()):
        seed = int(np.random.default_rng([5, 2, 2, place]).integers(2**31))
        torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)  # noqa: NPY002
        assert torch.equal(theirs(Image.fromarray(images[index].permute(1, 2, 0).numpy())), pictures[place])
    assert torch.equal(ours.at(2)[0], pictures) and not torch.equal(ours.at(3)[0], pictures)


def test_no_augmentation_is_the_plain_batch():
    images, labels = planted()
    ours = Augmented(images, 6, mean=HALF, std=HALF, labels=labels, augment=False)
    assert torch.equal(ours.at(1)[0], batches().at(1)[0])


def test_lr_by_mae_s_rule():
    """`args.lr = args.blr * eff_batch_size / 256` of MAE's main_finetune.py."""
    assert scaled_lr(1e-3, 256) == 1e-3
    assert scaled_lr(5e-4, 32 * 4 * 8) == 5e-4 * 1024 / 256
    for wrong in ((0, 64), (1e-3, 0)):
        with pytest.raises(ValueError, match="must be positive"):
            scaled_lr(*wrong)


def test_bad_inputs():
    with pytest.raises(ValueError, match="even batch_size"):
        Mix(3)(torch.rand(3, 3, 8, 8), torch.tensor([0, 1, 2]))
    for wrong in ({"mixup": 0, "cutmix": 0}, {"mixup": -1}):
        with pytest.raises(ValueError, match="one positive"):
            Mix(3, **wrong)
