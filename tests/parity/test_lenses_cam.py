"""The class activation maps against captum, torchcam and grad-cam, on raw maps."""

import captum.attr as ca
import numpy as np
import pytest
import pytorch_grad_cam as pgc
import torch
import torchcam.methods as tc
from lens_models import cnn, scene, vit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from mimviz import lenses

TARGETS = [1, 3]
LAYERS = {"vit": "blocks.1", "gap": "blocks.2", "cnn": "layer3.0", "last": "layer4.0"}
MODELS = {
    "vit": vit(), "gap": vit(class_token=False, global_pool="avg", fc_norm=False), "cnn": cnn(128), "last": cnn(128),
}  # fmt: skip
everywhere = pytest.mark.parametrize("where", LAYERS)


def number(where: str) -> int:
    return {"vit": 1, "gap": 2, "cnn": 2, "last": 3}[where]


def as_map(tensor: torch.Tensor, where: str) -> torch.Tensor:
    """(B, N, C) → (B, C, rows, cols) for the ViTs."""
    if tensor.ndim == 4:
        return tensor
    return tensor[:, -16:].transpose(1, 2).unflatten(2, (4, 4))


def close(found, expected):
    torch.testing.assert_close(found, torch.as_tensor(np.asarray(expected)).float(), rtol=1e-5, atol=1e-5)


def raw_grad_cam(name: str, where: str, images: torch.Tensor) -> np.ndarray:
    """grad-cam's map before it is cut, enlarged and scaled."""
    model = MODELS[where]
    cls = getattr(pgc, name)
    with cls(model, [model.get_submodule(LAYERS[where])], lambda x: as_map(x, where)) as cam:
        targets = [ClassifierOutputTarget(t) for t in TARGETS]
        cam(images.clone(), targets)
        acts, grads = (
            [each.cpu().numpy() for each in values]
            for values in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
        )
        layer = model.get_submodule(LAYERS[where])
        more = [False] if name == "LayerCAM" else []
        found = cam.get_cam_image(images, layer, targets, acts[0], grads[0] if grads else None, *more)
    model.zero_grad()
    return np.maximum(found, 0)


@everywhere
@pytest.mark.parametrize(
    ("name", "theirs"), [("GradCAM", "GradCAM"), ("GradCAMPlusPlus", "GradCAMPlusPlus"), ("LayerCAM", "LayerCAM")]
)
def test_gradient_cams_are_grad_cams(where, name, theirs):
    at = scene(MODELS[where])
    heat = getattr(lenses, name)(layer=number(where))(at)
    close(heat.values, raw_grad_cam(theirs, where, at.images))


@everywhere
def test_grad_cam_is_captums(where):
    at = scene(MODELS[where])
    layer = MODELS[where].get_submodule(LAYERS[where])
    if where in ("vit", "gap"):  # captum averages the gradient over the last axes, of tokens too: the map is made here
        found = (
            ca.LayerActivation(MODELS[where], layer).attribute(at.images),
            _layer_grad(MODELS[where], layer, at.images),
        )
        maps, grads = (as_map(each.detach(), where) for each in found)
        expected = (grads.mean((2, 3), keepdim=True) * maps).sum(1).relu()
    else:
        expected = ca.LayerGradCam(MODELS[where], layer).attribute(
            at.images, target=torch.tensor(TARGETS), relu_attributions=True
        )[:, 0]
    close(lenses.GradCAM(layer=number(where))(at).values, expected.detach())


def _layer_grad(model, layer, images):
    kept = []
    handle = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    logits = model(images)
    handle.remove()
    return torch.autograd.grad(logits[[0, 1], TARGETS].sum(), kept[0])[0]


@pytest.mark.parametrize("where", ["cnn", "last"])
@pytest.mark.parametrize(
    ("lens", "theirs"),
    [(lenses.GradCAM, "GradCAM"), (lenses.LayerCAM, "LayerCAM"), (lenses.ScoreCAM, "ScoreCAM")],
)
def test_torchcam(where, lens, theirs):
    at, model = scene(MODELS[where]), MODELS[where]
    with getattr(tc, theirs)(model, LAYERS[where], input_shape=tuple(at.images.shape[1:])) as cam:
        logits = model(at.images.clone().requires_grad_())
        (expected,) = cam(TARGETS, logits, normalized=False)
    tolerance = 1e-5 if theirs != "ScoreCAM" else 2e-3  # torchcam scales before it enlarges, the paper after
    torch.testing.assert_close(lens(layer=number(where))(at).values, expected.detach(), rtol=tolerance, atol=tolerance)


@everywhere
def test_score_cam_is_grad_cams(where, monkeypatch):
    """With the enlargement of the authors' code, which grad-cam does with aligned corners."""
    monkeypatch.setattr(
        torch.nn,
        "UpsamplingBilinear2d",
        lambda size: torch.nn.Upsample(size=size, mode="bilinear", align_corners=False),
    )
    at = scene(MODELS[where])
    close(lenses.ScoreCAM(layer=number(where))(at).values, raw_grad_cam("ScoreCAM", where, at.images))


@everywhere
def test_eigen_cam_is_grad_cams_up_to_the_sign(where):
    at = scene(MODELS[where])
    found = lenses.EigenCAM(layer=number(where))(at).values
    model = MODELS[where]
    maps = as_map(ca.LayerActivation(model, model.get_submodule(LAYERS[where])).attribute(at.images).detach(), where)
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

    close(found, get_2d_projection_with_sign_correction(maps.numpy()))


@pytest.mark.parametrize("where", ["cnn", "last"])
def test_ablation_cam_is_grad_cams_on_conv_nets(where):
    at = scene(MODELS[where])
    close(lenses.AblationCAM(layer=number(where))(at).values, raw_grad_cam("AblationCAM", where, at.images))


@everywhere
def test_ablation_cam_is_its_naive_twin(where):
    """The whole model once for every channel, with a hook that sets it to 0."""
    at, model, prefix = scene(MODELS[where]), MODELS[where], {"vit": 1}.get(where, 0)
    layer = model.get_submodule(LAYERS[where])
    maps = as_map(ca.LayerActivation(model, layer).attribute(at.images).detach(), where)
    with torch.no_grad():
        whole = model(at.images)[[0, 1], TARGETS]
        weights = torch.zeros(maps.shape[:2])
        for k in range(maps.shape[1]):

            def gone(_, __, output, k=k):
                output = output.clone()
                if output.ndim == 4:
                    output[:, k] = 0
                else:
                    output[:, prefix:, k] = 0
                return output

            handle = layer.register_forward_hook(gone)
            weights[:, k] = (whole - model(at.images)[[0, 1], TARGETS]) / whole
            handle.remove()
    close(lenses.AblationCAM(layer=number(where))(at).values, (weights[..., None, None] * maps).sum(1).relu())
