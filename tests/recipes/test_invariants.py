"""What every recipe promises, over all of them."""

import json

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.core import Mask
from mimviz.zoo.own import Sentence, save_mim

from .small import ENCODERS, EXCEPT, GRID, SMALL, VIT, encoder, made


def everyone(test):
    """The test for each recipe whose paper does not promise otherwise (`EXCEPT` says why)."""
    without = {name for name, promises in EXCEPT.items() if test.__name__ in promises}
    return pytest.mark.parametrize("name", [name for name in recipes.__all__ if name not in without])(test)


def smooth(batch: int) -> torch.Tensor:
    """Colour gradients, each another way: learnable from a few patches."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    return torch.stack([torch.stack([x * (b + 1), y - x, -y / (b + 1)]) for b in range(batch)]).clamp(-1, 1)


@everyone
def test_runs_with_its_defaults(name):
    model = getattr(recipes, name)(encoder(name))
    assert torch.isfinite(model(smooth(2)).loss)


@everyone
def test_no_leak(name):
    model, mask = made(name).eval(), Mask.random(GRID, ratio=0.6, seed=1, batch=2)
    images = smooth(2)
    patches = GRID.patchify(images)
    other = GRID.unpatchify(torch.where(mask.hidden[..., None], torch.randn_like(patches), patches))
    with torch.no_grad():
        a, b = model(images, mask), model(other, mask)
    assert torch.equal(a.guess, b.guess)
    assert a.loss != b.loss


@everyone
def test_a_mask_from_outside_is_obeyed(name):
    model, mask = made(name), Mask.random(GRID, ratio=0.3, seed=7)
    outcome = model(smooth(3), mask)
    assert torch.equal(outcome.mask.hidden, mask.hidden.expand(3, -1))
    wanted = outcome.mask.predict.gather(1, outcome.where)
    naive = torch.stack([row[m].mean() for row, m in zip(outcome.patch_loss, wanted, strict=True)]).mean()
    torch.testing.assert_close(outcome.loss, naive + sum(outcome.terms.values()))


@everyone
def test_nothing_hidden_is_the_plain_encoder(name):
    model, images = made(name).eval(), smooth(2)
    plain = model.encoder.vit.forward_features(images)
    tokens = plain.flatten(2).transpose(1, 2) if plain.ndim == 4 else plain  # a conv net's map
    torch.testing.assert_close(model.encode(images, Mask.none(GRID).expand(2)), tokens, atol=1e-5, rtol=1e-5)


@everyone
def test_it_learns(name):
    model = made(name)
    losses = [step.loss for step in mv.fit(model, [smooth(2)], steps=25, lr=3e-3, warmup=0)]
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0]


@everyone
def test_the_gradient_is_zero_at_what_it_predicts(name):
    """d guess / d image is zero under the mask."""
    model, mask = made(name).eval(), Mask.random(GRID, seed=0)
    images = smooth(1).requires_grad_()
    model(images, mask).guess.square().sum().backward()
    at = GRID.patchify(images.grad).abs().sum(-1)
    assert (at[mask.hidden] == 0).all() and (at[~mask.hidden] > 0).all()


@everyone
def test_reconstruct_leaves_the_model_as_found(name):
    model = made(name).train()
    next(model.encoder.vit.children()).eval()  # a part of it was in another mode
    before = [m.training for m in model.modules()]
    model.reconstruct(torch.rand(3, 40, 50), seed=3)
    assert [m.training for m in model.modules()] == before
    assert all(p.grad is None for p in model.parameters())


@everyone
def test_one_value_for_every_view(name, tmp_path):
    model = made(name)
    outcome = model.reconstruct(mv.image("astronaut"), Mask.random(GRID, ratio=0.5, seed=0))
    assert isinstance(outcome.loss, float)
    assert outcome.error.values.shape == (1, 4, 4)
    assert (outcome.error.values[0].numpy()[~outcome.mask.array] == 0).all()
    outcome.plot().savefig(tmp_path / "figure.png")
    again = model.reconstruct(mv.image("astronaut"), Mask.random(GRID, ratio=0.5, seed=0))
    assert torch.equal(again.guess, outcome.guess), "every call is deterministic given the mask"


@everyone
def test_a_sentence_builds_it_and_a_file_brings_it_back(name, tmp_path):
    """As `mimviz train --recipe` writes it."""
    family, keywords = ENCODERS.get(name, VIT)
    options, words = (json.loads(json.dumps(each)) for each in ({"img_size": 32, **keywords}, SMALL.get(name, {})))
    sentence = Sentence(name, family, options, words)
    model, mask = sentence.build().eval(), Mask.random(GRID, ratio=0.6, seed=0, batch=2)
    save_mim(tmp_path / "model.safetensors", model, sentence)
    again = mv.load_mim(tmp_path / "model.safetensors")
    assert torch.equal(again(smooth(2), mask).guess, model(smooth(2), mask).guess)
