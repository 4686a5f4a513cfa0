"""SiT: turns, NT-Xent, uncertainty weights by slow twins; denoising beats the mean colour."""

import math

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.where import Groups
from mimviz.recipes.sit import nt_xent, turn

from .small import GRID, encoder, made
from .test_gmml import pixels, two_patterns
from .test_invariants import smooth


def test_turns_are_quarters_and_undone():
    images, by = torch.randn(4, 3, 8, 8), torch.arange(4)
    turned = turn(images, by)
    assert torch.equal(turned[1], images[1].rot90(1, (1, 2))) and torch.equal(turned[0], images[0])
    assert torch.equal(turn(turned, -by), images)


def test_nt_xent_s_slow_twin():
    a, b = torch.randn(3, 5), torch.randn(3, 5)
    rows, total = torch.cat([a, b]).tolist(), 0.0

    def cosine(u, v):
        dot = sum(p * q for p, q in zip(u, v, strict=True))
        return dot / math.sqrt(sum(p * p for p in u) * sum(q * q for q in v))

    for i in range(6):
        others = sum(math.exp(cosine(rows[i], rows[k]) / 0.5) for k in range(6) if k != i)
        total -= math.log(math.exp(cosine(rows[i], rows[(i + 3) % 6]) / 0.5) / others)
    assert float(nt_xent(a, b)) == pytest.approx(total / 6, rel=1e-5)


def test_terms_are_weighed_by_learned_uncertainties(monkeypatch):
    """e^−s L + s / 2 for turns and views, e^−s L / 2 + s / 2 for pixels (Kendall et al., CVPR 2018, as in the authors' code)."""
    model = made("sit").train()
    model.uncertainty.data = torch.tensor([0.5, -0.3, 0.2])
    images, mask = smooth(3), Mask.random(GRID, ratio=0.3, seed=0)
    looks = []
    look = type(model)._look
    monkeypatch.setattr(type(model), "_look", lambda self, *args: looks.append(look(self, *args)) or looks[-1])
    outcome = model(images, mask)
    (g1, k1, t1), (g2, k2, t2) = looks
    truth = GRID.patchify(images)
    l1 = torch.cat([(g1 - truth).abs(), (g2 - truth).abs()]).mean()
    turns = F.cross_entropy(model.turns(torch.cat([t1, t2])[:, 0]), torch.cat([k1, k2]))
    views = nt_xent(model.views(t1[:, 0]), model.views(t2[:, 0]))
    wanted = math.exp(-0.5) * l1 / 2 + 0.25 + math.exp(0.3) * turns - 0.15 + math.exp(-0.2) * views + 0.1
    torch.testing.assert_close(outcome.loss, wanted)
    assert outcome.mask.predict.all(), "the whole picture is recovered"


def test_without_tasks_it_is_the_autoencoder_bit_for_bit():
    torch.manual_seed(0)
    plain = mv.recipes.sit(encoder("sit"), tasks=False)
    model, images, mask = made("sit"), smooth(2), Mask.random(GRID, ratio=0.3, seed=0)
    a, b = model.eval()(images, mask), plain.eval()(images, mask)
    assert torch.equal(a.guess, b.guess) and not b.terms
    assert set(model.train()(images, mask).terms) == {"turns", "views", "uncertainty of pixels"}
    tall = mv.encoder("vit_tiny_patch16_224", img_size=(32, 16), patch_size=8, embed_dim=48, depth=1, num_heads=3)
    with pytest.raises(ValueError, match="square"):
        mv.recipes.sit(tall)
    mv.recipes.sit(tall, tasks=False)


def test_the_heads_learn_turns():
    torch.manual_seed(0)
    model = mv.recipes.sit(encoder("sit"), kinds=("noise",), ratio=0.3)
    y = torch.linspace(-1, 1, 32)[:, None].expand(32, 32)
    images = torch.stack([torch.stack([y, y * s, -y]) for s in torch.linspace(0.2, 1, 8)])  # bright below: turns show
    first, *_, last = (float(step.outcome.terms["turns"]) for step in mv.fit(model, [images], steps=80, lr=2e-3))
    assert last < 0.5 * first


def test_denoising_beats_the_mean_colour_in_spoilt_blocks():
    torch.manual_seed(0)
    images = two_patterns(96)
    model = mv.recipes.sit(encoder("sit"), tasks=False)
    list(mv.fit(model, list(images[:64].split(32)), steps=200, lr=3e-3, warmup=10))
    held = images[64:]
    mask = Groups(0.3, least=0.2)(held, GRID, torch.Generator().manual_seed(1))
    with torch.no_grad():
        outcome, spoilt = model(held, mask), GRID.patchify(model.spoilt(held, mask))
    guess = GRID.unpatchify(outcome.guess)
    at = pixels(GRID, mask.hidden).expand_as(held)
    mean = held.mean((2, 3), keepdim=True).expand_as(held)
    unlike = (spoilt - outcome.guess).abs().mean(-1)
    assert (unlike[mask.hidden][:, None] > unlike[~mask.hidden]).float().mean() > 0.6, "what was spoilt stands out"
    assert (guess - held).abs()[at].mean() < 0.95 * (held - mean).abs()[at].mean()
