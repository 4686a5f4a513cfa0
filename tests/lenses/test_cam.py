"""Class activation maps: the layer they choose, the passes they save, what they say of an empty map."""

import pytest
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.vit.feature import default_layer, feature, resumed

from .planted import PATCH, planted_scene
from .planted_cnn import planted_scene as cnn_scene

CAMS = ["GradCAM", "GradCAMPlusPlus", "LayerCAM", "ScoreCAM", "AblationCAM"]


def test_the_layer_is_the_last_whose_patches_reach_the_score():
    assert default_layer(planted_scene(prefix=1)) == 1  # of three blocks: the head reads the class token
    assert default_layer(planted_scene(prefix=0)) == 2
    assert default_layer(cnn_scene()) == 3


@pytest.mark.parametrize("name", ["GradCAM", "LayerCAM"])
def test_an_empty_map_says_why_and_which_layer_to_ask(name):
    with pytest.warns(UserWarning, match="Ask layer 1"):
        heat = getattr(lenses, name)(layer=-1)(planted_scene(prefix=1))
    assert heat.max == 0


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize(
    "scene", [lambda: planted_scene(PATCH, 3, prefix=3), lambda: cnn_scene(PATCH, 3)], ids=["vit", "cnn"]
)
def test_a_feature_is_what_the_whole_trace_says(scene, layer):
    short, long = feature(scene(), layer), scene().trace
    torch.testing.assert_close(short.map, long.maps(layer), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(short.grad, long.maps_grad(layer), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(short.score, scene().score(scene().images).detach())


@pytest.mark.parametrize("scene", [lambda: planted_scene(PATCH, 3), lambda: cnn_scene(PATCH, 3)], ids=["vit", "cnn"])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_pass_resumed_is_the_pass(scene, layer):
    at = scene()
    outputs = at.trace.blocks[layer].output.repeat(3, *[1] * (at.trace.blocks[layer].output.ndim - 1))
    torch.testing.assert_close(
        resumed(at, layer, outputs), at.score(at.images).detach().repeat(3), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("prefix", [1, 3])
def test_before_the_cut_it_points_at_the_planted_patch(name, prefix):
    """The constant channels of the planted ViT push whole maps below 0, where the cut leaves nothing to see."""
    heat = getattr(lenses, name)(relu=False)(planted_scene(PATCH, 0, 15, prefix=prefix))
    assert heat.values.flatten(1).argmax(1).tolist() == [PATCH, 0, 15]


@pytest.mark.parametrize("name", ["LayerCAM", "ScoreCAM", "AblationCAM"])
def test_in_a_pooled_vit_too_one_block_before_the_last(name):
    heat = getattr(lenses, name)(layer=-2)(planted_scene(PATCH, 0, 15, prefix=0))
    assert heat.values.flatten(1).argmax(1).tolist() == [PATCH, 0, 15]


def test_a_map_that_is_all_negative_says_so():
    with pytest.warns(UserWarning, match="all of it was negative"):
        lenses.GradCAM()(planted_scene(PATCH))


def test_grad_cam_costs_one_pass():
    scene, calls = cnn_scene(PATCH), []
    handle = scene.model.register_forward_pre_hook(lambda *_: calls.append(1))
    lenses.GradCAM()(scene)
    handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize("name", CAMS)
def test_signed_where_nothing_is_cut(name):
    lens = getattr(lenses, name)
    whole, cut = lens(relu=False)(cnn_scene(PATCH)), lens()(cnn_scene(PATCH))
    assert whole.signed and not cut.signed
    torch.testing.assert_close(whole.values.clamp_min(0), cut.values)


def test_bad_layers_are_named():
    with pytest.raises(IndexError, match=r"0\.\.2"):
        lenses.GradCAM(layer=3)(planted_scene())


def test_one_target_for_each_picture_and_any_function():
    model = cnn_scene().model
    images = cnn_scene(PATCH, 3).images
    by_class = lenses.GradCAM()(mv.Scene(model, images, target=[1, 1])).values
    by_function = lenses.GradCAM()(mv.Scene(model, images, target=lambda logits: logits[:, 1])).values
    torch.testing.assert_close(by_class, by_function)
