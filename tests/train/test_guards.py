"""Each mistake is told, once, and nothing is told of a training without it."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz.data import Batches
from mimviz.train import TrainingWarning, leaks
from mimviz.tune import Classifier, scaled_lr

from .small import HALF, batches, model, pictures

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def told(training, *, steps=4):
    """(warnings in words, error) of a training."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for _, _ in zip(range(steps), training, strict=False):
                pass
            error = None
        except Exception as err:
            error = err
    return [str(each.message) for each in caught if issubclass(each.category, TrainingWarning)], error


def photos(size=16):
    """Bundled photographs: uint8 (N, 3, H, W)."""
    shown = [mv.image(name, size=size).array for name in mv.images()]
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).mul(255).round().to(torch.uint8)


def classifier(**options):
    torch.manual_seed(0)
    vit = mv.encoder(
        "vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2, num_classes=3
    ).vit
    return Classifier(vit, steps=10, **options)


def test_nothing_is_told_of_a_training_that_is_right():
    assert told(mv.fit(model(), batches(), steps=4)) == ([], None)
    labelled = Batches(photos(), 4, mean=HALF, std=HALF, labels=torch.arange(len(photos())) % 3)
    assert told(mv.fit(classifier(), labelled, steps=10), steps=10) == ([], None)


def test_nothing_is_trainable():
    with pytest.raises(ValueError, match="there is nothing to train"):
        next(mv.fit(model().requires_grad_(False), batches()))


class Cut(nn.Module):
    """A model with a mistake between its parts and its loss."""

    def __init__(self, mistake):
        super().__init__()
        self.inner, self.mistake = model(), mistake

    def forward(self, images):
        return self.mistake(self.inner(images))


class Lost:
    def __init__(self, loss):
        self.loss = loss

    def detached(self):
        return self


def test_a_loss_that_reaches_no_weight():
    detached = Cut(lambda outcome: Lost(outcome.loss * 0))
    found, _ = told(mv.fit(detached, batches(), steps=4))
    assert len(found) == 1 and found[0].startswith("No gradient reaches the weights.")


def test_a_step_that_moves_nothing():
    run = mv.Run(model(), batches(), steps=2, lr=1e-30, weight_decay=0).start()
    run._driver.join(60)
    assert [each.kind for each in run.warnings] == ["no step"]
    assert "raise the rate" in run.warnings[0].text
    with pytest.warns(TrainingWarning, match="left every weight as it was"):
        run.wait()
    run.wait()  # once


def test_where_numbers_broke():
    infinite = torch.rand(2, 3, 16, 16)
    infinite[0, 0, 0, 0] = math.inf
    for wrong, said in ((infinite, "1 values of the pictures are NaN or infinite"),):
        with pytest.raises(FloatingPointError, match=said):
            next(mv.fit(model(), [wrong]))
    broken = model()
    broken.decoder.norm.register_forward_hook(lambda module, given, made: made * math.nan)
    with pytest.raises(FloatingPointError, match=r"loss is nan in step 1: it began in decoder\.norm; lower"):
        next(mv.fit(broken, batches()))
    broken = model()
    with torch.no_grad():
        broken.decoder.head.weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"1 weights are NaN or infinite, decoder\.head\.weight first"):
        next(mv.fit(broken, batches()))


def test_a_gradient_that_breaks_leaves_the_weights_whole():
    broken = model()
    broken.decoder.head.weight.register_hook(lambda grad: grad * math.nan)
    before = [p.clone() for p in broken.parameters()]
    with pytest.raises(
        FloatingPointError, match=r"gradient of decoder\.head\.weight is not finite in step 1, though the loss is"
    ):
        next(mv.fit(broken, batches()))
    assert all(torch.equal(a, b) for a, b in zip(before, broken.parameters(), strict=True))


def test_a_learning_rate_off_the_batch_rule():
    rule = model()
    rule.blr = 1.5e-4  # He et al.: for a batch of 256
    right = 1.5e-4 * 4 / 256
    assert told(mv.fit(rule, batches(), steps=4, lr=right)) == ([], None)
    found, _ = told(mv.fit(rule, batches(), steps=4, lr=1.5e-4))
    assert len(found) == 1 and "base rate 0.00015 means 2.34e-06 for batches of 4" in found[0]
    found, _ = told(mv.fit(rule, batches(), steps=4, lr=right / 5))
    assert len(found) == 1


@pytest.mark.parametrize(("blr", "base"), [(None, None), ("paper", 1.0), (4e-2, 4e-2)])
def test_the_rate_of_the_paper_is_held_to_where_it_was_asked_for(blr, base):
    """MAE, tables 8 and 9: base rates 1.5e-4 to pre-train and 1e-3 to fine-tune, times batch / 256; silent unless asked."""
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    mae = mv.recipes.mae(encoder, dim=16, depth=1, blr=blr)
    labelled = Batches(photos(), 4, mean=HALF, std=HALF, labels=torch.arange(len(photos())) % 3)
    for learner, data, paper in ((mae, batches(), 1.5e-4), (classifier(blr=blr), labelled, 1e-3)):
        held = base if base != 1.0 else paper
        assert learner.blr == held
        assert told(mv.fit(learner, data, steps=4, lr=scaled_lr(held or paper, 4))) == ([], None)
        found, _ = told(mv.fit(learner, data, steps=4, lr=40 * scaled_lr(held or paper, 4)))
        if base is None:
            assert found == []
        else:
            assert len(found) == 1 and f"base rate {held:.3g} means {held * 4 / 256:.3g} for batches of 4" in found[0]


def test_a_model_that_was_left_in_eval_mode():
    m, modes = model(), []
    m.encoder.register_forward_hook(lambda *_: modes.append(m.training))

    def validating():
        for step in mv.fit(m, batches(), steps=4):
            m.eval()
            yield step

    found, _ = told(validating())
    assert len(found) == 1 and found[0].startswith("The model was left in eval mode.")
    assert modes and all(modes)


def test_a_part_that_is_in_eval_mode_on_purpose():
    class Still(nn.LayerNorm):
        def train(self, mode=True):
            return super().train(False)

    m = model()
    m.decoder.norm = Still(16)
    assert told(mv.fit(m, batches(), steps=4)) == ([], None)


@pytest.mark.parametrize(("mean", "std"), [(HALF, HALF), IMAGENET])
def test_pictures_that_are_normalized_twice(mean, std):
    m = model()
    m.encoder.mean, m.encoder.std = mean, std
    once = Batches(photos(), 4, mean=mean, std=std)
    assert told(mv.fit(m, once, steps=4)) == ([], None)
    shape = (1, 3, 1, 1)
    twice = [(once.at(i) - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape) for i in range(4)]
    found, _ = told(mv.fit(m, twice, steps=4))
    assert len(found) == 1 and found[0].startswith("The pictures seem to be normalized twice.")
    for unlike in (torch.rand(4, 3, 16, 16), torch.randn(4, 3, 16, 16), torch.zeros(4, 3, 16, 16)):
        assert told(mv.fit(m, [unlike], steps=4)) == ([], None), "not pictures, but not that mistake either"


def test_labels_that_are_all_the_same():
    def labelled(labels):
        return Batches(pictures(24), 4, mean=HALF, std=HALF, labels=labels)

    found, _ = told(mv.fit(classifier(), labelled(torch.full((24,), 2)), steps=10), steps=10)
    assert len(found) == 1 and "The first 16 pictures all have class 2" in found[0]
    one_other = torch.full((24,), 2)
    one_other[int(labelled(one_other).ids(0)[0])] = 1
    assert told(mv.fit(classifier(), labelled(one_other), steps=10), steps=10) == ([], None)


def test_validation_that_leaks_into_training():
    shown = photos(32)
    half = len(shown) // 2
    learned, tested = shown[:half], shown[half:]
    count = len(tested)
    assert leaks(learned, tested).pairs == ()
    noise = torch.randint(-2, 3, tested.shape, generator=torch.Generator().manual_seed(0))
    leaky = torch.cat([tested, learned[1:2], learned[3:4].flip(-1)])
    found = leaks(learned, leaky)
    assert found.pairs == ((1, count), (3, count + 1)) and found.share == pytest.approx(2 / (count + 2))
    again = (tested.int() + noise).clamp(0, 255).to(torch.uint8)
    assert len(leaks(tested, again).pairs) >= count // 2, "also where a file was encoded twice"
    train = Batches(learned, 2, mean=HALF, std=HALF)
    with pytest.warns(
        TrainingWarning, match=rf"2 of {count + 2} \(.* are, as they stand or mirrored, e.g. number {count} is number 1"
    ):
        next(mv.fit(model32(), train, validation=leaky))
    assert told(mv.fit(model32(), train, validation=tested), steps=1) == ([], None)
    run = mv.Run(model32(), train, steps=1, validation=leaky)
    assert [each.kind for each in run.warnings] == ["leak"]
    with pytest.raises(TypeError, match=r"pictures to compare are list, but uint8 \(N, 3, H, W\)"):
        next(mv.fit(model(), [torch.rand(2, 3, 16, 16)], validation=tested))


def model32():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, dim=16, depth=1)
