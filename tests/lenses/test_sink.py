"""Attention sinks: a planted massive token is found, rows still sum to 1, nothing moves at p = 1; the authors' steps, slowly."""

import pytest
import torch

import mimviz as mv
from mimviz.lenses import VAR, AttentionSink

from .small import small_scene, small_vit


def with_sink(patch: int = 11, dim: int = 5, **keywords) -> mv.Scene:
    """A scene in which one patch enters the first block with one huge dimension, and keeps it."""
    scene = small_scene(**keywords)
    with torch.no_grad():
        scene.model.pos_embed[0, scene.prefix if scene.model.pos_embed.shape[1] > 16 else 0 :][patch, dim] = 80.0
    return scene


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_planted_massive_token_is_found(layer):
    scene = with_sink()
    lens = AttentionSink(layer, dims=1)
    assert lens.dimensions(scene, layer) == (5,)
    phi = lens(scene).values.flatten(1)
    assert phi.argmax(1).tolist() == [11, 11]
    assert (phi[:, 11] > 3 * phi.median(1).values).all() and phi.max() <= 24**0.5
    torch.testing.assert_close(AttentionSink(layer, dims=(5,))(scene).values.flatten(1), phi)


def test_phi_is_its_formula():
    scene = with_sink(prefix=3)
    x = scene.trace.tokens[0][1, 3 + 2]
    naive = max(float(x[d].abs() / (x.square().mean() + 1e-6).sqrt()) for d in (5, 7))
    assert float(AttentionSink(1, dims=(5, 7))(scene).values[1].flatten()[2]) == pytest.approx(naive, rel=1e-5)


def test_only_tokens_from_tau_on_are_sinks():
    scene = with_sink()
    assert VAR(tau=4.0, dims=1).sinks(scene, 0).nonzero().tolist() == [[0, 12], [1, 12]]
    assert not VAR(tau=20.0).sinks(scene, 0).any(), "24 channels cannot reach 20"
    assert VAR(tau=None).sinks(scene, 0).sum(1).tolist() == [1, 1]


def naive(attention: torch.Tensor, sinks: torch.Tensor, prefix: int, p: float, rho: float, least: float) -> torch.Tensor:
    """The authors' three steps, for one picture (heads, Q, K)."""
    moved = attention.clone()
    for head in range(len(attention)):
        for query in range(prefix or attention.shape[1]):
            row = attention[head, query]
            seen = row[prefix:].sum()
            sunk = sum(row[i] for i in range(prefix, len(row)) if sinks[i])
            if not sinks[prefix:].any() or sunk > rho * seen or seen < least:
                continue
            budget = sum(row[i] for i in range(len(row)) if sinks[i]) * (1 - p)
            others = sum(row[i] for i in range(prefix, len(row)) if not sinks[i])
            for i in range(len(row)):
                if sinks[i]:
                    moved[head, query, i] = row[i] * p
                elif i >= prefix:
                    moved[head, query, i] = row[i] + budget * row[i] / others
    return moved


@pytest.mark.parametrize("prefix", [0, 1, 3])
@pytest.mark.parametrize("rho", [0.1, 0.5, 1.0])
def test_redistribution_is_the_authors(prefix, rho):
    scene = with_sink(prefix=prefix)
    lens = VAR(tau=2.5, rho=rho, least=0.5, dims=1)
    sinks = lens.sinks(scene, 1)
    attention = scene.trace.attention[1]
    found = lens.redistribute(scene, attention, sinks)
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))
    for index in range(2):
        expected = naive(attention[index], sinks[index], prefix, 0.6, rho, 0.5)
        torch.testing.assert_close(found[index], expected, rtol=1e-5, atol=1e-7)


def test_var_changes_the_answer_unless_p_is_1():
    scene = with_sink()
    same = VAR(p=1.0, tau=4.0)(scene)
    assert torch.equal(same.changed, same.logits)
    found = VAR(p=0.0, tau=4.0, rho=1.0, least=0.0)(scene)
    assert found.sinks.shape == (3, 2, 17) and found.heads.shape == (3, 2, 2)
    assert found.heads[0].any() and not found.heads[-1].any(), "the last layer is left alone"
    assert not torch.allclose(found.changed, found.logits, atol=1e-5)
    assert torch.equal(scene.trace.logits, VAR(tau=20.0)(scene).changed), "no sink, no change"


def test_dims_must_be_there():
    with pytest.raises(ValueError, match=r"dims is 25, but 1..24"):
        AttentionSink(dims=25)(small_scene())
    assert small_vit().embed_dim == 24
