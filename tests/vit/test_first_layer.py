import pytest
import timm
import torch

import mimviz as mv
from mimviz.lenses import IntegratedGradients, Occlusion
from mimviz.lenses._pixels import blank
from mimviz.vit.answers import Answers
from mimviz.vit.first_layer import first_layer

FAMILIES = {
    "vit_tiny_patch16_224": {"img_size": 48, "depth": 2},
    "deit_tiny_distilled_patch16_224": {"img_size": 48, "depth": 2},
    "eva02_tiny_patch14_224": {"img_size": 56, "depth": 2},
    "beit_base_patch16_224": {"img_size": 48, "depth": 2, "embed_dim": 24, "num_heads": 2},
    "swin_tiny_patch4_window7_224": {"depths": (1, 1, 1, 1), "embed_dim": 24},
    "resnet10t": {},
    "resnet18": {},
    "convnext_atto": {},
}


def scene(name, **keywords):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=4, **keywords).eval()
    size = mv.vit.anatomy(model).size
    return mv.Scene(model, torch.randn(2, 3, *size), target=1, normalized=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_and_gradients_are_those_of_the_pictures(name):
    at = scene(name, **FAMILIES[name])
    first, images = first_layer(at), at.images.clone().requires_grad_()
    assert first.conv is not None
    rows = first.rows(at.images).requires_grad_()
    whole, found = at.score(images), first.score(rows)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-6)  # NaN, had the model read the picture anywhere else
    (by_images,), (by_rows,) = torch.autograd.grad(whole.sum(), images), torch.autograd.grad(found.sum(), rows)
    torch.testing.assert_close(first.back(by_rows), by_images, rtol=1e-3, atol=1e-4 * float(by_images.abs().max()))
    assert not any("forward" in vars(each) for each in at.model.modules())


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "resnet18"])
def test_lenses_give_what_they_give_by_whole_pictures(name, monkeypatch):
    at, end = scene(name, **FAMILIES[name]), {}
    lenses = IntegratedGradients(steps=3), Occlusion(window=2, stride=2, baseline="white")
    for short in (True, False):
        if not short:  # somebody watches
            at.model.get_submodule(at.model.pretrained_cfg["first_conv"]).register_forward_hook(lambda *_: None)
        end[short] = [lens(at).values for lens in lenses]
        assert (first_layer(at).conv is not None) == short
        assert (first_layer(at, patchwise=True).conv is not None) == (short and name != "resnet18")
    for short, whole in zip(end[True], end[False], strict=True):
        torch.testing.assert_close(short, whole, rtol=1e-3, atol=1e-4 * float(whole.abs().max()))


def test_pictures_themselves_where_answers_are_kept_by_them():
    at = scene("vit_tiny_patch16_224", **FAMILIES["vit_tiny_patch16_224"])
    at.answers = Answers()
    assert first_layer(at, patchwise=True).conv is None and first_layer(at).conv is not None


def test_other_models_are_asked_with_pictures():
    at = scene("hiera_tiny_224", img_size=(224, 224))
    first = first_layer(at)
    assert first.conv is None and first.rows(at.images) is at.images
    torch.testing.assert_close(first.score(at.images), at.score(at.images))
    torch.testing.assert_close(first.back(at.images), at.images)
    assert blank(at, "mean").shape == first.rows(blank(at, "mean")).shape
