"""MTO: the diagnostic, SimMIM where it is off, and what the terms do to the first layers."""

import math

import pytest
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes.mto import heterogeneity
from mimviz.vit.recording import recording

from .small import GRID, encoder, made
from .test_invariants import smooth


def embedded(model, images, mask):
    return model.how(model.encoder.embed(images), mask)[0]


def test_before_positions_hidden_tokens_are_one_token():
    model, images, mask = made("mto"), torch.randn(2, 3, 32, 32), Mask.random(GRID, ratio=0.5, seed=0, batch=2)
    rows = embedded(model, images, mask)[mask.hidden]
    assert rows.var(0).max() == 0
    assert (embedded(model, images, mask)[~mask.hidden] != rows[0]).any(-1).all(), "told from visible ones without fail"


def test_heterogeneity_s_slow_twin():
    tokens, hidden = torch.randn(1, 6, 4), torch.tensor([[True, True, False, False, False, True]])
    z = torch.nn.functional.normalize(tokens[0], dim=-1)
    total = 0.0
    for i in (0, 1, 5):
        m = sum(float(z[i] @ z[j]) for j in (0, 1, 5)) / 3
        v = sum(float(z[i] @ z[j]) for j in (2, 3, 4)) / 3
        p = 1 / (1 + math.exp((v - m) / 0.25))
        total += 1 + p * math.log2(p) + (1 - p) * math.log2(1 - p)
    assert float(heterogeneity(tokens, hidden)) == pytest.approx(total / 3, rel=1e-4)


def test_heterogeneity_is_zero_for_the_same_tokens_and_one_for_opposite_ones():
    half, hidden = torch.randn(1, 5, 8), torch.tensor([[True] * 5 + [False] * 5])
    assert float(heterogeneity(torch.cat([half, half], 1), hidden)) == pytest.approx(0, abs=1e-6)
    one = torch.ones(1, 5, 8)
    assert float(heterogeneity(torch.cat([one, -one], 1), hidden)) == pytest.approx(1, abs=0.01)


def test_off_it_is_simmim_bit_for_bit():
    torch.manual_seed(0)
    plain = mv.recipes.simmim(encoder("mto"))
    torch.manual_seed(0)
    off = mv.recipes.mto(encoder("mto"), layers=0)
    model, images, mask = made("mto"), smooth(2), Mask.random(GRID, ratio=0.5, seed=0)
    a, b, c = plain(images, mask), off(images, mask), model(images, mask)
    assert torch.equal(a.guess, b.guess) and torch.equal(a.loss, b.loss) and not b.terms
    assert set(c.terms) == {"entropy", "sparsity"} and not torch.allclose(c.guess, a.guess)


def test_visible_patches_do_not_weigh_in_mask_tokens_at_first():
    """Recalibration leaves nothing of them in the first layer, half in the second of two, all beyond."""
    model, images, mask = made("mto").eval(), torch.randn(1, 3, 32, 32), Mask.random(GRID, ratio=0.5, seed=0)
    plain = mv.recipes.mto(model.encoder, layers=0).eval()
    plain.how = model.how
    given = []
    model.encode(images, mask, given)
    at = torch.cat([torch.tensor([False]), mask.hidden[0]])
    first, second = (mv.Scene(model, images, mask=mask).trace.attention[layer][0] for layer in (0, 1))
    assert (first[:, ~at][..., at] == 0).all() and (first[:, at][..., at] > 0).all()
    torch.testing.assert_close(first.sum(-1), torch.ones(3, 17))
    before = mv.Scene(plain, images, mask=mask).trace.attention[0][0]
    torch.testing.assert_close(given[0].detach(), before[:, ~at][..., at].sum(-1).mean())
    assert (second[:, ~at][..., at] > 0).all()


def test_the_terms_raise_heterogeneity_in_the_first_layers():
    """Over three seeds, against SimMIM after the same steps."""
    images = torch.randn(16, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    images = images.repeat_interleave(8, 2).repeat_interleave(8, 3)
    mask = Mask.random(GRID, ratio=0.5, seed=9, batch=16)
    for seed in range(3):
        found = {}
        for weight in (0.0, 0.5):
            torch.manual_seed(seed)
            model = mv.recipes.mto(encoder("mto"), weight=weight, layers=2 if weight else 0)
            list(mv.fit(model, [images], steps=40, lr=2e-3, warmup=0, seed=seed))
            with torch.no_grad(), recording(model.encoder.vit, model.encoder.anatomy) as trace:
                model.encode(images, mask)
            found[weight] = float(heterogeneity(trace.blocks[0].output[:, 1:], mask.hidden))
        assert found[0.5] > found[0.0]
