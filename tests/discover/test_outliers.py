"""Norms of two kinds are told from norms of one; what makes them, and what they know."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from mimviz.core import Grid
from mimviz.discover import (
    ClassProbe,
    MassiveChannels,
    NeighbourSimilarity,
    Outliers,
    PixelProbe,
    PositionProbe,
    RegisterNeurons,
    Similarity,
)
from mimviz.discover._two_modes import climb, two_modes
from mimviz.vit import neuron_activations

from .planted import HUGE, LAYER, NEURONS, RED_PATCHES, at, picture, register_vit, scene


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), count=st.integers(1, 6), times=st.floats(2.5, 20), B=st.integers(1, 3))
def test_injected_high_norms_are_recovered_exactly(seed, count, times, B):
    draw = torch.Generator().manual_seed(seed)
    norms = 10 * torch.exp(0.1 * torch.randn(B, 8, 8, generator=draw))
    mask = torch.zeros(B * 64, dtype=torch.bool)
    mask[torch.randperm(B * 64, generator=draw)[:count]] = True
    norms[mask.reshape(B, 8, 8)] *= times
    if norms[~mask.reshape(B, 8, 8)].max() * 1.15 > norms[mask.reshape(B, 8, 8)].min():
        return  # a draw in which they do not stand apart
    found = Outliers().find(norms)
    assert torch.equal(found.mask, mask.reshape(B, 8, 8)), found.why
    assert found.confidence > 0.5
    assert found.share == pytest.approx(count / (B * 64))


@pytest.mark.parametrize("seed", range(20))
def test_norms_of_one_kind_have_no_outliers(seed):
    draw = np.random.default_rng(seed)
    for values in (draw.lognormal(2, 0.1, 196), draw.gamma(6, 1, 196), draw.normal(30, 2, 196), np.full(196, 7.0)):
        found = Outliers().find(torch.tensor(values).reshape(1, 14, 14))
        assert found.threshold is None and not found.mask.any(), found.why
        assert found.why.startswith("no outliers: ")


def test_half_a_picture_is_not_an_outlier():
    norms = torch.full((1, 8, 8), 10.0) * torch.exp(0.05 * torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0)))
    norms[:, :4] *= 3
    found = Outliers().find(norms)
    assert found.threshold is None and "the upper one holds 50 %" in found.why
    assert Outliers(most=0.6).find(norms).share == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_is_the_one_of_scikit_learn(seed):
    draw = np.random.default_rng(seed)
    x = np.concatenate([draw.normal(1, 0.2, 250), draw.normal(3, 0.4, 30)])
    x = np.sort(x)
    ours = climb(x, np.stack([x < 2, x >= 2]))
    theirs = GaussianMixture(2, n_init=5, random_state=0, tol=1e-9, max_iter=1000).fit(x[:, None])
    order = theirs.means_[:, 0].argsort()
    assert ours.means == pytest.approx(theirs.means_[order, 0], abs=1e-3)
    assert ours.weights == pytest.approx(theirs.weights_[order], abs=1e-3)
    assert ours.widths == pytest.approx(np.sqrt(theirs.covariances_[order, 0, 0]), abs=1e-3)
    assert ours.bic == pytest.approx(theirs.bic(x[:, None]), abs=0.05)
    single = climb(x, np.ones((1, len(x))))
    assert single.bic == pytest.approx(GaussianMixture(1).fit(x[:, None]).bic(x[:, None]), abs=0.01)
    assert single.valley == (pytest.approx(x.mean()), 0.0)
    at = np.linspace(0, 4, 50)
    assert ours.upper(at) == pytest.approx(theirs.predict_proba(at[:, None])[:, order[1]], abs=0.01)
    assert ours.log_density(at) == pytest.approx(theirs.score_samples(at[:, None]), abs=0.01)
    low = np.linspace(*ours.means, 5000)
    assert ours.valley[0] == pytest.approx(low[theirs.score_samples(low[:, None]).argmin()], abs=0.01)
    found = two_modes(x)
    assert found.two is not None and found.probability > 0.99 and found.two.above == pytest.approx(30 / 280, abs=0.02)


def test_outliers_of_a_skewed_body_are_found():
    """Norms of a trained ViT: tight at the lower end, with a tail of their own, and four far above."""
    draw = np.random.default_rng(0)
    body = 24 * np.exp(np.abs(draw.normal(0, 0.12, 252)))
    norms = torch.tensor(np.concatenate([body, [120.7, 135.3, 156.7, 171.6]])).reshape(1, 16, 16)
    found = Outliers().find(norms)
    assert found.mask.flatten().nonzero()[:, 0].tolist() == [252, 253, 254, 255]
    assert body.max() < found.threshold < 120 and found.confidence > 0.99
    assert Outliers().find(torch.tensor(body).reshape(1, 14, 18)).threshold is None


def test_by_hand_and_broken():
    norms = torch.arange(16.0).reshape(1, 4, 4)
    found = Outliers(threshold=11.5).find(norms)
    assert found.mask.sum() == 4 and found.confidence == 1 and found.ratio == 15 / 7
    assert "too few" in Outliers().find(torch.ones(1, 2, 2)).why
    with pytest.raises(ValueError, match="1 of 16 norms are NaN"):
        Outliers().find(norms.masked_fill(norms == 3, float("nan")))


def test_register_neurons_are_found_and_ranked_as_in_the_algorithm():
    each = scene(None, picture(), picture(12, 40, seed=1), picture(0, 63, seed=2))
    found = RegisterNeurons(count=6)(each)
    assert {(n.layer, n.index) for n in found[:2]} == {(LAYER, i) for i in NEURONS}
    assert found[0].score > 5 * found[2].score
    assert {n.layer for n in found} <= {0, 1}  # outliers are there behind block 1
    # naive twin: a loop over pictures, patches and neurons
    mask, active = Outliers()(each).mask.flatten(1), neuron_activations(each)
    scores = {}
    for layer in range(2):
        for unit in range(128):
            means = []
            for b in range(3):
                there = [abs(float(active[layer][b, 1 + i, unit])) for i in range(64) if mask[b, i]]
                means.append(sum(there) / len(there))
            scores[layer, unit] = sum(means) / 3
    best = sorted(scores, key=lambda key: -scores[key])[:6]
    assert {(n.layer, n.index) for n in found} == set(best)
    for n in found:
        assert n.score == pytest.approx(scores[n.layer, n.index], rel=1e-5)


def test_sparse_leaves_out_what_is_active_everywhere():
    model = register_vit()
    with torch.no_grad():
        model.blocks[LAYER].mlp.fc1.bias[40] = 50.0  # a neuron that shouts at every token
        model.blocks[LAYER].mlp.fc2.weight[:, 40] = 0
    assert RegisterNeurons(count=1)(scene(model))[0].index == 40
    assert {n.index for n in RegisterNeurons(count=2, sparse=True)(scene(model))} == set(NEURONS)


def test_no_outliers_no_neurons():
    with pytest.raises(ValueError, match=r"no patch is an outlier \(no outliers: "):
        RegisterNeurons(layer=0)(scene())
    with pytest.raises(ValueError, match=r"count is 999, but blocks 0\.\.1 have 256"):
        RegisterNeurons(count=999)(scene())
    with pytest.raises(IndexError, match="highest is 4"):
        RegisterNeurons(highest=4)(scene())


def test_massive_channels_are_those_of_the_definition():
    each = scene()
    first, second = MassiveChannels(count=2)(each)
    assert {first.index, second.index} == {HUGE, HUGE + 1}
    assert first.token - 1 in RED_PATCHES and first.picture == 0
    tokens = each.trace.tokens[-1][0]
    assert abs(first.value) == float(tokens.abs().max())
    assert first.ratio == pytest.approx(abs(first.value) / float(tokens.abs().flatten().median()))
    assert first.massive == (abs(first.value) > 100 and first.ratio > 1000)
    assert MassiveChannels(least=50, times=100)(each)[0].massive
    assert not MassiveChannels(least=1e9)(each)[0].massive


def test_similarity_is_the_cosine():
    each = scene()
    heat = Similarity(patch=9)(each)
    tokens = each.trace.tokens[-1][0, 1:]
    want = [float(torch.nn.functional.cosine_similarity(t, tokens[9], dim=0)) for t in tokens]
    assert heat.values.flatten().tolist() == pytest.approx(want, abs=1e-5)
    assert heat.signed and heat.values[0, 1, 1] == pytest.approx(1)
    assert (heat.values[0][at()] > 0.99).all()
    keys = each.trace.layers[2].mixing.k[0].transpose(0, 1).flatten(1)[1:]
    heat = Similarity(patch=0, layer=2, feature="keys")(each)
    assert heat.values[0, 0, 5] == pytest.approx(float(torch.nn.functional.cosine_similarity(keys[0], keys[5], dim=0)), abs=1e-5)
    with pytest.raises(IndexError, match="patch is 64"):
        Similarity(patch=64)(each)
    with pytest.raises(ValueError, match="feature is 'key'"):
        Similarity(feature="key")(each)  # type: ignore[arg-type]


def test_neighbours_are_four_three_or_two():
    each = scene()
    tokens = each.trace.tokens[1][0, 1:].reshape(8, 8, -1)
    cos = torch.nn.functional.cosine_similarity
    want = torch.zeros(8, 8)
    for r in range(8):
        for c in range(8):
            beside = [(r + a, c + b) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)) if 0 <= r + a < 8 and 0 <= c + b < 8]
            want[r, c] = sum(cos(tokens[r, c], tokens[i], dim=0) for i in beside) / len(beside)
    assert torch.allclose(NeighbourSimilarity(1)(each).values[0], want, atol=1e-5)
    with torch.no_grad():
        embedded = each.model.patch_embed(each.images)[0].reshape(8, 8, -1)
    at_start = NeighbourSimilarity()(each).values[0]
    both = [float(cos(embedded[0, 0], each, dim=0)) for each in (embedded[0, 1], embedded[1, 0])]
    assert at_start[0, 0] == pytest.approx(sum(both) / 2, abs=1e-5)


@pytest.fixture(scope="module")
def many():
    """16 pictures in which each outlier is all alike (it knows its class, by its size, and no place or pixel)."""
    pictures = [picture(*RED_PATCHES, seed=i) for i in range(16)]
    return scene(None, *pictures)


def test_probes_read_what_is_there(many):
    place = PositionProbe()(many)
    assert place.outliers_seen == 24 and place.normal_seen == 8 * 61
    assert place.normal > 0.9  # positions are in the tokens, and nothing else is
    assert place.outliers is not None and place.outliers <= 1
    pixels = PixelProbe(layer=0)(many)
    assert 0 < pixels.normal < 0.3 and pixels.unit.startswith("RMSE")
    unknown = PositionProbe(threshold=1e9)(many)
    assert unknown.outliers is None and unknown.outliers_seen == 0


def test_a_class_is_read_off_one_token():
    """Class 1 has its reds in another row: the size of what the neurons write tells, and normal patches do not know."""
    torch.manual_seed(0)
    pictures = [picture(*((9, 30) if i % 4 < 2 else (33, 54)), seed=i) for i in range(24)]
    each = scene(None, *pictures)
    classes = [i % 4 < 2 for i in range(24)]
    found = ClassProbe(layer=1)(each, classes)
    assert found.outliers == 1.0 and found.outliers_seen == 12
    assert found.normal is not None and found.normal < 1
    with pytest.raises(ValueError, match="3 classes, but 24 pictures"):
        ClassProbe()(each, [0, 1, 2])
    assert ClassProbe(threshold=1e9)(each, classes).outliers is None
    with pytest.raises(ValueError, match="has 1 picture"):
        PositionProbe()(scene())


def test_the_grid_is_the_scenes():
    assert scene().grid == Grid(8, 8, 8)
