"""The grid of extract × aggregate, once more by outer products that are made; the meta step."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F

from mimviz import lenses
from mimviz.lenses.norm_grad import aggregated, stepped
from mimviz.vit.feature import feature

from .planted import PATCH, planted_scene
from .planted_cnn import planted_scene as cnn_scene

EXTRACT, AGGREGATE = ("bias", "scaling", "conv1x1", "conv3x3"), ("norm", "sum", "positive", "max")


@pytest.mark.parametrize(("extract", "aggregate"), itertools.product(EXTRACT, AGGREGATE))
def test_every_cell_is_its_naive_twin(extract, aggregate):
    generator = torch.Generator().manual_seed(0)
    x, g = (torch.randn(2, 5, 3, 4, generator=generator) for _ in range(2))
    found = aggregated(x, g, extract, aggregate)
    expected = torch.zeros(2, 3, 4)
    padded = F.pad(x, [1, 1, 1, 1])
    for b, r, c in itertools.product(range(2), range(3), range(4)):
        features = {"conv1x1": x[b, :, r, c], "conv3x3": padded[b, :, r : r + 3, c : c + 3].flatten()}
        at = g[b, :, r, c]
        numbers = {"bias": at, "scaling": x[b, :, r, c] * at}.get(extract)
        if numbers is None:
            numbers = torch.outer(features[extract], at).flatten()
        expected[b, r, c] = {
            "norm": numbers.norm(), "sum": numbers.sum(), "positive": numbers.clamp_min(0).norm(), "max": numbers.max()
        }[aggregate]  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scene", [lambda: planted_scene(PATCH), lambda: cnn_scene(PATCH)], ids=["vit", "cnn"])
def test_closed_forms(scene):
    at = feature(scene())
    norm = lenses.NormGrad()(scene()).values
    torch.testing.assert_close(norm, at.map.norm(dim=1) * at.grad.norm(dim=1), rtol=1e-5, atol=1e-6)
    inner = lenses.NormGrad(extract="scaling", aggregate="sum")(scene())
    torch.testing.assert_close(inner.values, (at.map * at.grad).sum(1), rtol=1e-5, atol=1e-6)
    assert inner.signed


def test_layers_are_multiplied_on_pixels():
    heat = lenses.NormGrad(layers=(0, 1))(planted_scene(PATCH, 3))
    assert heat.values.shape == (2, 32, 32) and heat.min >= 0 and heat.max <= 1


def test_the_meta_step_goes_down_the_loss_and_leaves_the_model_alone():
    scene = planted_scene(PATCH, target=0)
    weights = copy.deepcopy(scene.model.state_dict())
    moved = stepped(scene, 0.01)
    assert all(torch.equal(value, weights[name]) for name, value in scene.model.state_dict().items())
    assert all(p.grad is None for p in [*scene.model.parameters(), *moved.model.parameters()])
    with torch.no_grad():
        loss = [F.cross_entropy(each.model(scene.images), torch.tensor([0])) for each in (scene, moved)]
    assert loss[1] < loss[0]


def test_the_meta_step_makes_maps_more_about_the_class():
    """Correlation of the maps of the likeliest and the least likely class falls."""

    def correlation(meta):
        maps = [lenses.NormGrad(meta=meta)(cnn_scene(PATCH, target=t)).values.flatten() for t in (1, 0)]
        return torch.corrcoef(torch.stack(maps))[0, 1]

    assert correlation(1.0) < correlation(0.0)


def test_bad_words():
    with pytest.raises(ValueError, match="aggregate is 'mean'"):
        lenses.NormGrad(aggregate="mean")(planted_scene())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="extract='conv'"):
        lenses.NormGrad(extract="conv")(planted_scene())  # type: ignore[arg-type]
