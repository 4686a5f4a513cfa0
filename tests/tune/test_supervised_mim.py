"""Supervised + MIM: what weight 0 is, what is exported, and the loss written slowly."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.tune import Classifier, PatchCodes, SupervisedMIM, classifier

from .small import batches, masked, normalized, number, planted, weights

IMAGES = normalized(planted()[0])


def made(weight=1.0, **options):
    mim = masked()
    codes = PatchCodes.learnt(IMAGES, mim.grid, codes=8)
    torch.manual_seed(1)
    return SupervisedMIM(mim, 3, codes, steps=6, weight=weight, dim=16, depth=1, **options)


def test_weight_0_is_the_supervised_run_bit_for_bit():
    ours = made(weight=0.0)
    torch.manual_seed(1)
    plain = Classifier(classifier(masked(), 3), steps=6)
    plain.vit.load_state_dict(ours.vit.state_dict())
    losses = [[step.loss for step in mv.fit(model, batches(), steps=6)] for model in (ours, plain)]
    assert losses[0] == losses[1]
    assert torch.equal(weights(ours.vit), weights(plain.vit))
    other = made(weight=1.0)
    list(mv.fit(other, batches(), steps=6))
    assert not torch.equal(weights(other.vit), weights(plain.vit))


def test_the_masked_task_leaves_the_supervised_part_of_a_step_alone():
    """Its draws come after those of the classifier, so the first step has the same cross entropy."""
    steps = [next(iter(mv.fit(made(weight=w, keep=0.5), batches(), steps=6))) for w in (0.0, 1.0)]
    named = steps[1].outcome
    assert steps[0].loss == pytest.approx(steps[1].loss - number(named.terms["mim"]), rel=1e-6)
    assert torch.equal(steps[0].outcome.logits, named.logits)


def test_the_loss_equals_the_naive_twin():
    model, images = made(), IMAGES[:2]
    mask = Mask.random(model.encoder.grid, ratio=0.5, seed=3).expand(2)
    codes = torch.empty(2, 16, dtype=torch.int64)
    for b, image in enumerate(images):
        for n in range(16):
            r, c = divmod(n, 4)
            patch = image[:, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4].permute(1, 2, 0).reshape(-1)
            codes[b, n] = torch.stack([((patch - centre) ** 2).sum() for centre in model.codes.centres]).argmin()
    assert torch.equal(model.codes(images)[..., 0], codes)
    content, kept = model.encoder.embed(images), mask.keep_ids
    seen = model.encoder(torch.stack([content[b, kept[b]] for b in range(2)]), kept)
    guess = model.decoder(seen, mask)
    total = [-guess[b, n].log_softmax(-1)[codes[b, n]] for b in range(2) for n in range(16) if mask.hidden[b, n]]
    torch.testing.assert_close(model.masked_loss(images, mask), torch.stack(total).mean())


def test_nothing_is_added_to_what_is_used():
    model, plain = made(), classifier(masked(), 3)
    shapes = [{k: v.shape for k, v in vit.state_dict().items()} for vit in (model.vit, plain)]
    assert shapes[0] == shapes[1] and type(model.vit) is type(plain)
    seen = []
    model.decoder.register_forward_hook(lambda *_: seen.append(1))
    model.eval()(IMAGES[:2], torch.tensor([0, 1]))
    assert not seen
    model.train()(IMAGES[:2], torch.tensor([0, 1]))
    assert len(seen) == 1


def test_no_hidden_pixel_reaches_the_guess():
    model = made().eval()
    grid = model.encoder.grid
    mask = Mask.random(grid, ratio=0.5, seed=3).expand(2)
    patches = grid.patchify(IMAGES[:2])
    other = grid.unpatchify(torch.where(mask.hidden[..., None], torch.randn_like(patches), patches))
    guesses = []
    model.decoder.register_forward_hook(lambda _, __, out: guesses.append(out))
    model.masked_loss(IMAGES[:2], mask), model.masked_loss(other, mask)
    assert torch.equal(*guesses)


def test_too_few_patches_for_the_codes():
    with pytest.raises(ValueError, match="fewer codes"):
        PatchCodes.learnt(IMAGES[:1], masked().grid, codes=17)
