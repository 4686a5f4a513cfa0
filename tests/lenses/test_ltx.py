"""LTX: its loss written out, what its weights do, and an explainer that learnt from many pictures."""

import pytest
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.core import drawing
from mimviz.lenses._learning import deletion, enlarged
from mimviz.lenses._ltx import objective

from .planted import GRID, PATCH, on_patches, planted_scene, planted_vit
from .small import small_vit


def overlap(values, patch: int) -> float:
    """Intersection over union of what is above half of the maximum with one patch."""
    found = values.flatten() > values.max() / 2
    return float(found[patch]) / float(found.sum() + (~found[patch]))


@pytest.mark.parametrize("counter", [0.0, 0.5])
def test_the_loss_written_out(counter):
    scene = planted_scene(PATCH, 3)
    mask = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    loss, gap = objective(scene, mask, keep=2.0, sparse=3.0, counter=counter)
    mean, std = (torch.tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    for b in range(2):
        rgb, up = scene.images[b] * std + mean, enlarged(mask[b : b + 1], (32, 32))[0]
        told = [
            -(scene.model(((rgb * each - mean) / std)[None]).softmax(-1)[0, 1].log())
            for each in (up, 1 - up, torch.ones(()))
        ]
        empty = sum(-torch.log(1 - m) for m in mask[b].flatten()) / 16
        torch.testing.assert_close(loss[b], 2.0 * told[0] + 3.0 * empty - counter * told[1], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gap[b], (told[0] - told[2]).detach(), rtol=1e-3, atol=1e-5)


def test_it_overlaps_the_decisive_patch_and_not_in_a_model_that_knows_nothing():
    knows = lenses.LTX()(planted_scene(PATCH, prefix=3)).values[0]
    guess = lenses.LTX()(mv.Scene(small_vit(num_classes=3), planted_scene(PATCH).images, target=1)).values[0]
    assert overlap(knows, PATCH) > 0.5 > overlap(guess, PATCH)


def test_its_weights():
    scene = planted_scene(PATCH)
    means = [float(lenses.LTX(sparse=s, select=False, steps=25)(scene).values.mean()) for s in (0.0, 0.3, 3.0)]
    assert means[0] > means[1] > means[2]
    assert lenses.LTX(keep=0.0, select=False, lr=0.02)(scene).values.max() < 0.02


def test_deletion_is_the_mean_of_five_cuts():
    scene = planted_scene(PATCH)
    mask = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(each)[:, None, None] for each in (scene.anatomy.mean, scene.anatomy.std))
    told = []
    for fifth in range(1, 5):
        picture = (scene.images * std + mean)[0].clone()
        for patch in mask.flatten().argsort(descending=True).tolist():
            rank = int((mask.flatten() > mask.flatten()[patch]).sum())
            if rank < fifth * 16 / 5:
                r, c = divmod(patch, 4)
                picture[:, r * 8 : r * 8 + 8, c * 8 : c * 8 + 8] = 0
        told.append(float(scene.model(((picture - mean) / std)[None]).softmax(-1)[0, 1].detach()))
    assert deletion(scene, mask, GRID) == pytest.approx(sum(told) / 4, rel=1e-4)


def test_an_explainer_that_learnt_from_many_answers_in_one_pass():
    model = planted_vit(prefix=3)
    before = [p.detach().clone() for p in model.parameters()]
    with drawing(0):
        learner = lenses.LTXLearner(model, sparse=0.5)
    batches = [planted_scene(*range(s, s + 4), prefix=3).images for s in (0, 4, 8)]
    losses = [step.loss for step in mv.fit(learner, batches, steps=60, lr=4e-3, weight_decay=0.0)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(
        torch.equal(a, b) and b.grad is None and b.requires_grad
        for a, b in zip(before, model.parameters(), strict=True)
    )
    scene = mv.Scene(model, planted_scene(13, 14).images, target=1)
    at_once = lenses.LTX(explainer=learner.explainer, steps=0)
    assert at_once.passes(scene) == 1 and on_patches(at_once(scene)).argmax(1).tolist() == [13, 14]
    tuned = lenses.LTX(explainer=learner.explainer, steps=5)
    weights = [p.detach().clone() for p in learner.explainer.parameters()]
    assert on_patches(tuned(scene)).argmax(1).tolist() == [13, 14]
    assert all(torch.equal(a, b) for a, b in zip(weights, learner.explainer.parameters(), strict=True)), (
        "a copy was tuned"
    )


def test_somebody_must_learn():
    with pytest.raises(ValueError, match="steps is 0"):
        lenses.LTX(steps=0)(planted_scene())
