"""Gradients, paths, noise, ablation and backward rules against captum, number by number."""

from functools import partial

import captum.attr as ca
import pytest
import torch
from lens_models import cnn, scene, vit
from torch import nn

from mimviz import lenses

TARGETS = torch.tensor([1, 3])
close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-6)


def leaf(images):
    return images.clone().requires_grad_()


both = pytest.mark.parametrize("model", [vit(), cnn()], ids=["vit", "cnn"])


@pytest.fixture
def relu_cnn():
    """The same net without in-place activations, which captum's hooks need."""
    net = cnn()
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return net


@both
def test_gradient(model):
    at = scene(model)
    expected = ca.Saliency(model).attribute(leaf(at.images), target=TARGETS, abs=False)
    torch.testing.assert_close(lenses.Gradient().attributions(at), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(lenses.Gradient()(at).values, expected.abs().amax(1), rtol=0, atol=1e-6)


@both
def test_input_x_gradient(model):
    at = scene(model)
    close(
        lenses.InputXGradient().attributions(at),
        ca.InputXGradient(model).attribute(leaf(at.images), target=TARGETS).detach(),
    )


@both
@pytest.mark.parametrize(
    "rule", ["gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid"]
)
def test_integrated_gradients(model, rule):
    at = scene(model)
    expected = ca.IntegratedGradients(model).attribute(leaf(at.images), target=TARGETS, n_steps=9, method=rule)
    if rule == "riemann_trapezoid":
        expected = expected * 9 / 8  # captum's nine weights sum to 8 / 9
    close(lenses.IntegratedGradients(steps=9, rule=rule).attributions(at), expected.float(), atol=1e-5)


@both
@pytest.mark.parametrize(
    ("name", "kind"), [("SmoothGrad", "smoothgrad"), ("SmoothGradSquared", "smoothgrad_sq"), ("VarGrad", "vargrad")]
)
def test_smoothgrad_family(model, name, kind, monkeypatch):
    """captum under the very noise of the lens: sample s of picture b is number b · samples + s."""
    at, lens = scene(model), getattr(lenses, name)(samples=4, noise=0.1)
    drawn = lenses._probing.noise(at, 0, 0, 4)  # (4, 1, 3, H, W)
    images = at.images
    stdev = 0.1 * (images.amax((1, 2, 3)) - images.amin((1, 2, 3)))
    fixed = (drawn.transpose(0, 1) * stdev[:, None, None, None, None]).flatten(0, 1)
    monkeypatch.setattr(torch, "normal", lambda *_, **__: fixed)
    tunnel = ca.NoiseTunnel(ca.Saliency(model))
    expected = tunnel.attribute(leaf(images), nt_type=kind, nt_samples=4, target=TARGETS, abs=False)
    close(lens.attributions(at), expected.detach())


def test_gradient_shap_of_one_baseline_and_fixed_alphas_is_captum(monkeypatch):
    model = cnn()
    at, lens = scene(model, 1), lenses.GradientSHAP(samples=6, baselines=("white",))
    _, alphas = lens.draws()
    monkeypatch.setattr("numpy.random.uniform", lambda *_: alphas.numpy())
    white = lenses._pixels.blank(at, "white")
    expected = ca.GradientShap(model).attribute(leaf(at.images), baselines=white, n_samples=6, stdevs=0.0, target=1)
    close(lens.attributions(at), expected.float(), atol=1e-5)


@both
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (2, 2)])
def test_occlusion(model, window, stride):
    at = scene(model)
    p = at.grid.patch
    expected = ca.Occlusion(model).attribute(
        at.images,
        sliding_window_shapes=(3, window * p, window * p),
        strides=(3, stride * p, stride * p),
        target=TARGETS,
    )
    heat = lenses.Occlusion(window=window, stride=stride)(at)
    close(lenses._regions.on_pixels(at, heat.values), expected[:, 0].float(), atol=1e-5)


@both
@pytest.mark.parametrize("regions", ["slic", "patches"])
def test_feature_ablation(model, regions):
    at = scene(model, 1)
    lens = lenses.FeatureAblation(regions=regions, count=12, baseline="white")
    mask = lenses._regions.labels(at, regions, 12)
    white = lenses._pixels.blank(at, "white")
    expected = ca.FeatureAblation(model).attribute(at.images, baselines=white, target=1, feature_mask=mask[:, None])
    close(lens(at).values, expected[:, 0].float(), atol=1e-5)
    assert lens.passes(at) == int(mask.max()) + 1


@pytest.mark.parametrize(("name", "rule"), [("GuidedBackprop", ca.GuidedBackprop), ("Deconvolution", ca.Deconvolution)])
def test_backward_rules(relu_cnn, name, rule):
    at = scene(relu_cnn)
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        expected = rule(relu_cnn).attribute(leaf(at.images), target=TARGETS)
    torch.testing.assert_close(getattr(lenses, name)().attributions(at), expected, rtol=1e-5, atol=1e-6)


def test_deeplift(relu_cnn):
    at = scene(relu_cnn)
    with pytest.warns(UserWarning, match="Setting forward, backward hooks"):
        expected = ca.DeepLift(relu_cnn).attribute(leaf(at.images), target=TARGETS)
    close(lenses.DeepLIFT().attributions(at), expected.detach())


@both
def test_attribute_has_captums_manners(model):
    at = scene(model)
    lens = lenses.IntegratedGradients(steps=5)
    given = lenses.attribute(lens, model, at.images, target=TARGETS)
    assert given.shape == at.images.shape
    expected = ca.IntegratedGradients(model).attribute(leaf(at.images), target=TARGETS, n_steps=5)
    close(given, expected.float(), atol=1e-5)
    assert lenses.attribute(lenses.Occlusion(), model, at.images, target=1).shape == (2, 1, *at.grid.shape)
    bright = at.images.sigmoid()  # in 0..1, and normalized all the same
    close(
        lenses.attribute(lenses.Gradient(), model, bright, target=0),
        ca.Saliency(model).attribute(leaf(bright), target=0, abs=False),
    )
