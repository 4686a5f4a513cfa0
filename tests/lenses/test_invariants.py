"""What every lens promises, over all of them."""

import dataclasses

import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz import lenses
from mimviz.core import Heatmap

from .planted import GRID, PATCH, on_patches, planted_scene, planted_vit

everyone = pytest.mark.parametrize("name", lenses.__all__)
pytestmark = pytest.mark.filterwarnings("ignore:.*the map is 0 everywhere")  # what a CAM says where all of it is negative
ELSEWHERE = {  # lenses that do not promise to point at what the logit reads, and why
    "GradCAM": "all of its map on this ViT is negative before the cut: test_cam.py asks without the cut",
    "GradCAMPlusPlus": "where every token knows of red, one weight for a channel cannot say whence: test_cam.py",
    "LayerCAM": "as GradCAMPlusPlus",
    "ScoreCAM": "as GradCAM",
    "AblationCAM": "as GradCAMPlusPlus",
    "Entropy": "says how widely a patch looks, not who looks at it",
    "MeanAttentionDistance": "says how far a patch looks, not who looks at it",
    "AttentionSink": "says which tokens are massive, whoever reads them",
    "TokenNorm": "says how long a token is, whoever reads it",
}


def lens(name: str):
    return getattr(lenses, name)()


def state(model: nn.Module) -> list:
    """Everything that a lens might have changed in a model."""
    found = []
    for name, module in model.named_modules():
        hooks = [len(value) for key, value in vars(module).items() if key.endswith("_hooks")]
        flags = {k: v for k, v in vars(module).items() if isinstance(v, (bool, int, float, str)) or callable(v)}
        found.append((name, type(module), hooks, flags))
    tensors = [*model.parameters(), *model.buffers()]
    return [found, [(t.requires_grad, t.grad, t.detach().clone().flatten().tolist()) for t in tensors]]


@everyone
def test_a_lens_is_a_frozen_word(name):
    cls = getattr(lenses, name)
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    assert cls() == cls() and hash(cls()) == hash(cls()), "fields are values, so that a lens keys a cache"
    assert repr(cls()).startswith(f"{name}(")


@everyone
@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_right_shape_and_finite(name, prefix):
    heat = lens(name)(planted_scene(1, PATCH, prefix=prefix))
    assert isinstance(heat, Heatmap) and heat.by == lens(name)
    assert tuple(heat.values.shape) in {(2, *GRID.shape), (2, GRID.height, GRID.width)}
    assert heat.values.dtype == torch.float32 and torch.isfinite(heat.values).all()
    assert not heat.values.requires_grad
    assert heat.signed or heat.min >= 0, "a map with negative numbers is signed"


@everyone
def test_deterministic(name):
    torch.manual_seed(1)
    first = lens(name)(planted_scene())
    torch.manual_seed(2)
    assert torch.equal(lens(name)(planted_scene()).values, first.values)


@everyone
def test_leaves_the_random_numbers_alone(name):
    scene, before = planted_scene(), torch.get_rng_state()
    lens(name)(scene)
    assert torch.equal(torch.get_rng_state(), before)


@everyone
def test_a_batch_is_its_pictures(name):
    both = lens(name)(planted_scene(PATCH, 9))
    scene = planted_scene(PATCH, 9)
    for index in range(2):
        alone = lens(name)(mv.Scene(scene.model, scene.images[index : index + 1], target=scene.target))
        torch.testing.assert_close(both.values[index : index + 1], alone.values, rtol=1e-4, atol=1e-5)


@everyone
def test_the_model_is_left_as_found(name):
    scene = planted_scene()
    scene.model.train()
    scene.model.get_submodule("norm").eval()
    scene.model.get_parameter("head.weight").requires_grad_(False)
    before = state(scene.model)
    lens(name)(scene)
    assert state(scene.model) == before


@everyone
@pytest.mark.parametrize("broken", ["norm", "blocks.1", "blocks.2.attn"])
def test_the_model_is_left_as_found_also_on_error(name, broken):
    def fail(*_):
        raise RuntimeError("broken on purpose")

    scene = planted_scene()
    scene.model.get_submodule(broken).register_forward_hook(fail)
    before = state(scene.model)
    with pytest.raises(RuntimeError, match="on purpose"):
        lens(name)(scene)
    assert state(scene.model) == before


@everyone
def test_frozen_weights_are_no_obstacle(name):
    scene = planted_scene()
    expected = lens(name)(planted_scene()).values
    scene.model.requires_grad_(False)
    torch.testing.assert_close(lens(name)(scene).values, expected)


@pytest.mark.parametrize("name", [name for name in lenses.__all__ if name not in ELSEWHERE])
@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_it_points_at_the_planted_patch(name, prefix):
    patches = (PATCH, 0, 15)
    heat = lens(name)(planted_scene(*patches, prefix=prefix))
    assert on_patches(heat).argmax(1).tolist() == list(patches)


ASK_A_SCENE = [name for name in lenses.DIAGNOSTICS if name not in ("TextSpan", "Gates")]  # outputs of a head; ConViT alone


@pytest.mark.parametrize("name", ASK_A_SCENE)
@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_a_diagnostic_is_a_frozen_word_that_leaves_the_model_as_found(name, prefix):
    cls, scene = getattr(lenses, name), planted_scene(PATCH, 2, prefix=prefix)
    assert cls.__dataclass_params__.frozen and cls() == cls() and hash(cls()) == hash(cls())
    before = state(scene.model)
    cls()(scene)
    assert state(scene.model) == before


def test_the_planted_model_reads_its_patch():
    model = planted_vit()
    red, grey = planted_scene(PATCH).images, planted_scene(PATCH).images.clone()
    row, col = divmod(PATCH, GRID.cols)
    grey[:, :, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] = 0
    with torch.no_grad():
        assert model(red)[0, 1] > 5 * abs(model(red)[0, [0, 2]]).max() and model(red)[0, 1] > 5 * abs(model(grey)[0, 1])
