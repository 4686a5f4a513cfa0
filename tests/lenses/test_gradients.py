"""Closed forms of the gradient lenses."""

import numpy as np
import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.core import Heatmap
from mimviz.lenses._pixels import blank
from mimviz.lenses.gradient import box, class_model, segment
from mimviz.lenses.integrated_gradients import quadrature
from mimviz.vit.rules import gated, straight

from .planted import PATCH, planted_scene
from .planted_cnn import planted_scene as cnn_scene


def linear_scene(*patches: int):
    """A ViT in front of which the score is a linear function of the pixels."""
    scene = planted_scene(*patches)
    weights = torch.randn(scene.images.shape[1:], generator=torch.Generator().manual_seed(0))
    scene.score = lambda images: (images * weights).sum((1, 2, 3))
    return scene, weights


def test_gradient_of_a_linear_model_is_its_weights():
    """M = max over colours of |w|, for any picture."""
    scene, weights = linear_scene(PATCH, 2)
    from mimviz.lenses._probing import gradients

    grads = gradients(scene, scene.images)[0]
    values = lenses._pixels.joined(scene, grads, "max")
    torch.testing.assert_close(values, weights.abs().amax(0).expand(2, -1, -1))


@pytest.mark.parametrize(
    "lens", [lenses.IntegratedGradients(steps=3), lenses.GradientSHAP(samples=3, baselines=("white",))]
)
def test_of_a_linear_model_every_path_gives_weight_times_difference(lens):
    scene, weights = linear_scene(PATCH)
    away = blank(scene, getattr(lens, "baseline", "white"))
    torch.testing.assert_close(lens.attributions(scene)[0], (weights * (scene.images - away))[0], rtol=1e-4, atol=1e-5)


def test_smoothgrad_of_a_linear_model_is_its_weights_and_never_varies():
    scene, weights = linear_scene(PATCH)
    torch.testing.assert_close(lenses.SmoothGrad(samples=5).attributions(scene)[0], weights, rtol=1e-5, atol=1e-6)
    assert lenses.VarGrad(samples=5).attributions(scene).max() < 1e-6
    torch.testing.assert_close(
        lenses.SmoothGradSquared(samples=5).attributions(scene)[0], weights.square(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("baseline", ["mean", "black", "white", "blur"])
def test_integrated_gradients_is_complete(baseline):
    scene = planted_scene(PATCH, 3)
    lens = lenses.IntegratedGradients(steps=60, baseline=baseline)
    told = lens.completeness(scene, lens(scene))
    assert told.relative < 0.01, "of the change of the score"
    rough = lenses.IntegratedGradients(steps=2, rule="riemann_left", baseline=baseline)
    assert rough.completeness(scene, rough(scene)).relative > 10 * told.relative


def test_completeness_wants_a_sum():
    scene, lens = planted_scene(), lenses.IntegratedGradients(steps=2, channels="max")
    with pytest.raises(ValueError, match="channels='sum'"):
        lens.completeness(scene, lens(scene))


@pytest.mark.parametrize(
    "rule", ["gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid"]
)
def test_every_rule_weighs_the_whole_way_once(rule):
    points, weights = quadrature(rule, 7)
    assert weights.sum() == pytest.approx(1) and (points >= 0).all() and (points <= 1).all()


def test_bad_words_are_named():
    scene = planted_scene()
    with pytest.raises(ValueError, match="rule is 'simpson'"):
        lenses.IntegratedGradients(rule="simpson")(scene)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="baseline is 'grey'"):
        lenses.IntegratedGradients(baseline="grey")(scene)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="channels is 'mean'"):
        lenses.Gradient(channels="mean")(scene)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs at least 2"):
        lenses.IntegratedGradients(rule="riemann_trapezoid", steps=1)(scene)


def test_black_and_white_are_black_and_white():
    scene = planted_scene()
    for word, value in (("black", 0), ("white", 1)):
        shown = mv.Picture.from_tensor(blank(scene, word), mean=scene.anatomy.mean, std=scene.anatomy.std)
        np.testing.assert_allclose(shown.array, value, atol=1e-6)


def test_deeplift_is_complete_where_its_rule_covers_the_net():
    scene = cnn_scene(PATCH)
    lens = lenses.DeepLIFT()
    assert lens.completeness(scene, lens(scene)).relative < 1e-3


def test_deeplift_tells_what_is_missing_on_a_vit():
    scene = planted_scene(PATCH)
    lens = lenses.DeepLIFT()
    assert lens.completeness(scene, lens(scene)).relative > 0.01


# --- backward rules ---


@pytest.mark.parametrize("rule", ["guided", "deconvolution"])
def test_rules_of_one_relu(rule):
    net = nn.ReLU()
    x = torch.tensor([-1.0, 2.0, -3.0, 4.0], requires_grad=True)
    upper = torch.tensor([1.0, 1.0, -1.0, -1.0])
    with gated(net, rule) as gates:
        (found,) = torch.autograd.grad(net(x), x, upper)
    assert gates == 1
    assert found.tolist() == ([0, 1, 0, 0] if rule == "guided" else [1, 1, 0, 0])


def test_without_negative_signals_guided_is_the_gradient():
    net = nn.GELU()
    x = torch.randn(9, requires_grad=True)
    with gated(net, "guided"):
        (found,) = torch.autograd.grad(net(x).sum(), x)
    torch.testing.assert_close(found, torch.autograd.grad(net(x).sum(), x)[0])


def test_a_context_leaves_no_trace_on_error():
    net = nn.Sequential(nn.ReLU(), nn.GELU()).train()
    with pytest.raises(RuntimeError), gated(net, "guided"):
        raise RuntimeError
    assert all("forward" not in vars(module) and module.training for module in net.modules())


def test_straight_has_the_value_and_the_slope():
    x = torch.randn(5, requires_grad=True)
    value, slope = torch.randn(5), torch.randn(5)
    y = straight(value, slope, x)
    assert torch.equal(y.detach(), value) and torch.equal(torch.autograd.grad(y.sum(), x)[0], slope)


def test_a_net_without_activations_is_told_to_use_the_gradient():
    scene = planted_scene()
    for block in scene.model.blocks:
        block.mlp.act = nn.Identity()
    with pytest.raises(ValueError, match="use Gradient"):
        lenses.GuidedBackprop()(scene)


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()


def wide_cnn(depth: int = 3):
    """Random filters, ReLU and pooling, as in the theory of Nie, Zhang and Patel."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 3
    for _ in range(depth):
        layers += [nn.Conv2d(channels, 128, 5, padding=2), nn.ReLU()]
        channels = 128
    return nn.Sequential(*layers, nn.MaxPool2d(4), nn.Flatten(), nn.Linear(128 * 64, 5)).eval()


def test_guided_backprop_hardly_knows_the_class_and_the_gradient_does():
    """P356: on a random wide CNN the maps of two logits agree far more under guided backpropagation."""
    net, x = wide_cnn(), torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()

    def maps():
        return [torch.autograd.grad(net(x)[0, c], x)[0] for c in (0, 1)]

    plain = cosine(*maps())
    with gated(net, "guided"):
        guided = cosine(*maps())
    assert abs(plain) < 0.2 and guided > 0.5


# --- P400 ---


def test_the_class_model_climbs_and_ignores_the_picture():
    a, b = (list(class_model(planted_scene(patch), steps=15)) for patch in (PATCH, 3))
    scores = [score for score, _ in a]
    assert scores[-1] > scores[0] + 1 and scores[-1] > 0.95 * max(scores)
    assert a[-1][1] == b[-1][1] and all(p.grad is None for p in planted_scene().model.parameters())


def test_seeds_grow_into_the_object():
    array = np.full((32, 32, 3), 0.2, dtype=np.float32)
    array[8:20, 10:26] = (0.9, 0.2, 0.1)
    array += np.random.default_rng(1).normal(0, 0.02, array.shape).astype(np.float32)
    truth = np.zeros((32, 32), dtype=bool)
    truth[8:20, 10:26] = True
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 0.1, (32, 32)) + 1.0 * (truth & (rng.uniform(size=(32, 32)) < 0.7))
    found = segment(mv.Picture(array), Heatmap(torch.from_numpy(values)[None].float(), by="test"))
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    assert box(truth) == (8, 10, 20, 26)


def test_seeds_need_a_map_of_pixels_with_an_object():
    picture = mv.Picture(np.zeros((8, 8, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="8 x 8 pixels"):
        segment(picture, Heatmap(torch.zeros(1, 4, 4), by="test"))
    with pytest.raises(ValueError, match="flat"):
        segment(picture, Heatmap(torch.zeros(1, 8, 8), by="test"))
    with pytest.raises(ValueError, match="empty"):
        box(np.zeros((3, 3), dtype=bool))
