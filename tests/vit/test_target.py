"""Targets: by number, by name, one for each picture, or any function; names that are wrong find the right one."""

import pytest
import torch
from attention_families import pictures, tiny

from mimviz.vit import Scene, class_index, class_names

NAMES = ["tabby cat, tabby", "tiger cat", "Egyptian cat", "lynx", "goldfish", "rocking chair", "tractor"]


@pytest.fixture
def model():
    made = tiny("ViT")
    made.classes = NAMES
    return made


def test_numbers_names_and_functions_score_alike(model):
    images = pictures(model)
    logits = model(images).detach()
    for target in (4, "goldfish", "Goldfish ", ["goldfish", 4], lambda output: output[:, 4]):
        torch.testing.assert_close(Scene(model, images, target=target).score(images).detach(), logits[:, 4])
    mixed = Scene(model, images, target=["tabby cat", "tractor"])
    torch.testing.assert_close(mixed.score(images).detach(), torch.stack([logits[0, 0], logits[1, 6]]))
    best = Scene(model, images)
    torch.testing.assert_close(best.score(images).detach(), logits.max(-1).values)


def test_many_variants_of_the_pictures_are_scored_by_their_own_class(model):
    images = pictures(model)
    scene = Scene(model, images, target=[1, 5])
    more = torch.cat([images, images * 0.5, images * 0])
    expected = model(more).detach()[torch.arange(6), torch.tensor([1, 5] * 3)]
    torch.testing.assert_close(scene.score(more).detach(), expected)
    with pytest.raises(ValueError, match="3 pictures are to be scored, but the scene has 2"):
        scene.score(more[:3])


def test_wrong_targets_say_what_there_is(model):
    images = pictures(model)
    with pytest.raises(ValueError, match=r"'goldfisch'.*did you mean 'goldfish'"):
        Scene(model, images, target="goldfisch").score(images)
    with pytest.raises(ValueError, match=r"'cat'.*did you mean"):
        class_index(model, "cat")
    with pytest.raises(IndexError, match="class 7, but this model has 7 classes, numbered from 0"):
        Scene(model, images, target=7).score(images)
    with pytest.raises(ValueError, match="3 classes, but there are 2 pictures"):
        Scene(model, images, target=[1, 2, 3]).score(images)
    del model.classes
    with pytest.raises(ValueError, match="no names for its 7 classes: give a number"):
        class_index(model, "lynx")


def test_a_model_without_a_head_needs_a_function():
    model = tiny("ViT")
    model.reset_classifier(0)
    images = pictures(model)
    with pytest.raises(ValueError, match=r"has no classes.*load it with its head, or give target"):
        _ = Scene(model, images).image_grad
    scene = Scene(model, images, target=lambda features: features.norm(dim=-1))
    assert scene.image_grad.abs().sum() > 0 and scene.trace.attention_grad[0].shape == (2, 2, 25, 25)


def test_names_of_imagenet_are_known():
    import timm

    names = class_names(timm.create_model("vit_tiny_patch16_224", depth=1, embed_dim=24, num_heads=2))
    assert names is not None and len(names) == 1000 and names[281].startswith("tabby")
