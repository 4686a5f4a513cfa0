"""Held-out pictures: a curve beside the loss that no number of the training depends on."""

import time

import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz.core import drawing
from mimviz.data import Batches
from mimviz.data.dataset import Dataset
from mimviz.train import Run
from mimviz.tune import Classifier

from .small import HALF, At, batches, model, weights

STEPS = 24


def held(count=6):
    return torch.randint(0, 255, (count, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def dropping():
    """With dropout, so that each step draws."""
    torch.manual_seed(0)
    size = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2, "proj_drop_rate": 0.2}
    return mv.recipes.mae(mv.encoder("vit_tiny_patch16_224", **size), dim=16, depth=1)


def classifier():
    torch.manual_seed(0)
    size = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 3}
    return Classifier(mv.encoder("vit_tiny_patch16_224", **size).vit, steps=STEPS, keep=0.5)


def labelled():
    images = torch.randint(0, 255, (12, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))
    return Batches(images, 4, mean=HALF, std=HALF, labels=torch.arange(12) % 3)


def test_the_training_is_the_same_to_the_last_bit_with_and_without_it():
    plain, watched = dropping(), dropping()
    first = [step.loss for step in mv.fit(plain, batches(), steps=STEPS)]
    steps = list(mv.fit(watched, batches(), steps=STEPS, validation=held(), validate_every=5))
    assert [step.loss for step in steps] == first and torch.equal(weights(plain), weights(watched))
    assert [step.index for step in steps if step.validation] == [5, 10, 15, 20, 24]
    assert all(step.validation.accuracy is None for step in steps if step.validation)


def test_a_point_is_the_mean_loss_in_eval_mode_over_all_held_out_pictures():
    made = dropping()
    last = list(mv.fit(made, batches(), steps=6, validation=held()))[-1]
    normal = (held().float() / 255 - 0.5) / 0.5
    losses = []
    for number, part in enumerate(normal.split(4)):  # as many at once as in a batch of the training
        with drawing(number), torch.no_grad():
            losses += [float(made(part).loss)] * len(part)
    assert last.validation.loss == pytest.approx(sum(losses) / 6, rel=1e-6)


def test_a_classifier_is_scored_by_labels_on_whole_pictures():
    labels, made = torch.tensor([0, 1, 2, 0, 1, 2]), classifier()
    *_, last = mv.fit(made, labelled(), steps=STEPS, lr=1e-2, validation=Dataset(held(), labels, ["a", "b", "c"]))
    with torch.no_grad():
        right = made.vit((held().float() / 255 - 0.5) / 0.5).argmax(1) == labels
    assert last.validation.accuracy == pytest.approx(float(right.float().mean()))


@pytest.mark.parametrize(
    "validation", [held(), Batches(held(), 3, mean=HALF, std=HALF), [(held().float() / 255 - 0.5) / 0.5]]
)
def test_whatever_holds_the_pictures_the_points_are_alike(validation):
    *_, last = mv.fit(model(), batches(), steps=4, validation=validation)
    *_, other = mv.fit(model(), batches(), steps=4, validation=held())
    assert last.validation.loss == pytest.approx(other.validation.loss, rel=0.2)


@pytest.mark.parametrize(
    ("make", "data", "validation", "error", "said"),
    [
        (model, batches, torch.rand(2, 3, 16, 16), TypeError, r"validation is torch.float32 \(2, 3, 16, 16\), but"),
        (model, batches, held(0), TypeError, r"validation is torch.uint8 \(0, 3, 16, 16\)"),
        (model, batches, "photos", TypeError, "validation is str, but"),
        (model, batches, [], ValueError, "validation is an empty list"),
        (model, batches, [held()], TypeError, "a batch holds torch.uint8"),
        (classifier, labelled, held(), ValueError, "validation holds no labels, but this model is scored by them"),
    ],
)
def test_what_cannot_be_tested_on_is_said(make, data, validation, error, said):
    with pytest.raises(error, match=said):
        list(mv.fit(make(), data(), steps=2, validation=validation))


def test_nobody_says_how_it_is_normalized():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(3, 1)

    class Bare:
        images = held()

        def at(self, step):
            return torch.rand(2, 3, 16, 16)

    with pytest.raises(ValueError, match="neither batches nor the model say with which mean and std"):
        next(mv.fit(Plain(), Bare(), validation=held()))
    with pytest.raises(ValueError, match="validate_every is 0"):
        next(mv.fit(model(), batches(), validation=held(), validate_every=0))


def test_a_run_keeps_its_curve_through_pause_restart_and_branch(tmp_path):
    whole = Run(dropping(), batches(), steps=STEPS, validation=held(), validate_every=4).start().wait(60)
    assert list(whole.history.validation) == [4, 8, 12, 16, 20, 24]
    heard = []
    run = Run(dropping(), batches(), steps=STEPS, validation=held(), validate_every=4, folder=tmp_path / "a")
    run.follow(lambda event: heard.append(event.kind))
    run.follow(lambda event: run.stop() if event.step and event.step.index == 10 else None)
    run.start().wait(60)
    assert list(run.history.validation) == [4, 8] and heard.count("validation") == 2
    assert Run.open(tmp_path / "a").history.validation == run.history.validation
    again = Run.open(tmp_path / "a", dropping(), batches(), validation=held()).start().wait(60)
    assert again.history.validation == whole.history.validation and torch.equal(
        weights(again.model), weights(whole.model)
    )
    branch = again.branch(10)
    assert list(branch.history.validation) == [4, 8]
    branch.start().wait(60)
    assert branch.history.validation == whole.history.validation


def test_a_pause_does_not_wait_for_it_and_the_point_is_made_up_for():
    class Slow(At):
        def forward(self, images):
            time.sleep(0.0 if self.training else 0.2)
            return self.inner(images)

    wanted = Run(Slow(99, None), batches(), steps=8, validation=held(4), validate_every=4).start().wait(60)
    run = Run(Slow(99, None), batches(), steps=8, validation=held(40), validate_every=4)  # 2 s
    run.start()
    end = time.monotonic() + 20
    while len(run.history) < 4:
        assert time.monotonic() < end
        time.sleep(0.001)
    began = time.monotonic()
    run.pause().wait(60)
    assert time.monotonic() - began < 1 and (run.state, len(run.history), run.history.validation) == ("paused", 4, {})
    run.resume().wait(60)
    assert list(run.history.validation) == [4, 8]
    assert torch.equal(weights(run.model), weights(wanted.model))


def test_a_test_that_fails_loses_no_step():
    class Broken(At):
        def forward(self, images):
            if not self.training:
                raise RuntimeError("out of memory")
            return self.inner(images)

    run = Run(Broken(99, None), batches(), steps=8, validation=held(), validate_every=4).start()
    with pytest.raises(RuntimeError, match="out of memory"):
        run.wait(60)
    assert run.state == "failed" and run.moments.newest.step == 4 and "halfway" not in run.message
    assert run.model.training is False


def test_without_it_nothing_is_tested():
    run = Run(model(), batches(), steps=4).start().wait(60)
    assert run.history.validation == {} and "history.validation" not in run.history.tensors()
