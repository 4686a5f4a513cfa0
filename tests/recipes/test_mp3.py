"""MP3: order means nothing to it, hidden patches are never looked at, a naive twin, and a toy that needs the others."""

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask

from .jigsaws import accuracy, gradients
from .small import GRID, encoder, made
from .test_invariants import smooth


@pytest.fixture(scope="module")
def model():
    return made("mp3").eval()


def images():
    return torch.cat([mv.image(name).fit(32, 32).tensor() for name in ("cat", "coffee")])


def test_patches_in_another_order_are_guesses_in_that_order(model):
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    moved = GRID.unpatchify(GRID.patchify(images())[:, order])
    nothing = Mask.none(GRID)
    with torch.no_grad():
        a, b = model(images(), nothing).guess, model(moved, nothing).guess
    torch.testing.assert_close(b, a[:, order], atol=1e-5, rtol=1e-5)


def test_nobody_looks_at_a_hidden_patch(model):
    """Another one changes its own guess and no other, bit for bit; a visible one changes them all."""
    mask = Mask.random(GRID, ratio=0.5, seed=1)
    hidden, visible = int(mask.hidden_ids[0, 0]), int(mask.keep_ids[0, 0])
    found = {}
    for patch in (hidden, visible):
        patches = GRID.patchify(images())
        patches[:, patch] = torch.randn(192, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            a, b = model(images(), mask).guess, model(GRID.unpatchify(patches), mask).guess
        found[patch] = [n for n in range(16) if not torch.equal(a[:, n], b[:, n])]
    assert found == {hidden: [hidden], visible: list(range(16))}


def test_the_loss_is_that_of_a_naive_twin(model):
    """Section 3, a query at a time: attention over the class token and the context alone, in every block."""
    mask, vit = Mask.random(GRID, ratio=0.6, seed=2, batch=2), model.encoder.vit
    losses = []
    with torch.no_grad():
        outcome = model(images(), mask)
        for b in range(2):
            x = torch.cat([vit.cls_token[0], vit.patch_embed(images()[b : b + 1])[0]])
            keys = [0, *(1 + n for n in mask.keep_ids[b].tolist())]
            for block in vit.blocks:
                q, k, v = block.attn.qkv(block.norm1(x)).reshape(17, 3, 3, 16).unbind(1)  # (tokens, heads, 16)
                mixed = torch.empty(17, 3, 16)
                for t in range(17):
                    for h in range(3):
                        weights = torch.stack([q[t, h] @ k[s, h] / 4 for s in keys]).softmax(0)
                        mixed[t, h] = sum(w * v[s, h] for w, s in zip(weights, keys, strict=True))
                x = x + block.attn.proj(mixed.flatten(1))
                x = x + block.mlp(block.norm2(x))
            logs = model.decoder.head(vit.norm(x))[1:].log_softmax(-1)
            losses += [-logs[n, n] for n in range(16)]
    assert outcome.loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    assert outcome.mask.predict.all() and torch.equal(outcome.mask.hidden, mask.hidden)


def test_a_toy_places_patches_the_better_the_more_it_may_look_at():
    """Gradients on any colour: above five times chance as trained, and less with fewer to look at."""
    torch.manual_seed(0)
    model = mv.recipes.mp3(encoder("mp3"), ratio=0.5)
    list(mv.fit(model, gradients(8), steps=130, lr=3e-3))
    test = torch.cat(gradients(2, seed=1))
    found = [
        accuracy(model, test, Mask.random(GRID, ratio=ratio, seed=0, batch=64)) for ratio in (0.25, 0.5, 0.75, 0.9)
    ]
    assert found[1] > 5 / 16 and found == sorted(found, reverse=True) and found[0] > found[3] + 0.2
    whole = model.assembled(test[:1], Mask.none(GRID))
    shuffled = GRID.unpatchify(
        GRID.patchify(test[:1])[:, torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    )
    torch.testing.assert_close(model.assembled(shuffled, Mask.none(GRID)), whole)
    assert (whole - test[:1]).abs().mean() < 0.2 * (shuffled - test[:1]).abs().mean(), "and solves the jigsaw"


def test_every_patch_is_asked_and_pixels_are_never_painted(model):
    outcome = model(smooth(2), Mask.random(GRID, seed=0))
    assert outcome.guess.shape == (2, 16, 16) and outcome.view is None
    assert model.positions(smooth(2), Mask.random(GRID, seed=0)).exp().sum(-1).allclose(torch.ones(2, 16))
    assert model.encoder.vit.pos_embed is None and made("mae").encoder.vit.pos_embed is not None


def test_encoders_that_it_cannot_take():
    with pytest.raises(TypeError, match="positions of a plain ViT"):
        mv.recipes.mp3(mv.encoder("resnet18", img_size=32))
    bare = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, class_token=False, global_pool="avg")
    with pytest.raises(ValueError, match="nobody may be looked at"):
        mv.recipes.mp3(bare)(images(), Mask.all(GRID))
