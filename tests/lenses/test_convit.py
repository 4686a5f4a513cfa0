"""ConViT's gates: exact maps, the limits of the gate, the offsets of its initialization, overrides that leave nothing behind."""

from typing import Any

import pytest
import timm
import torch

import mimviz as mv
from mimviz.lenses import Chefer, Gates, Rollout

from .small import small_scene
from .test_invariants import state


def convit(*, strength: float = 1.0, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    model = timm.create_model(
        "convit_tiny", img_size=48, patch_size=8, embed_dim=9, num_heads=9, depth=4, local_up_to_layer=3, num_classes=4,
        locality_strength=strength,
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "pos_proj" not in name and "gating" not in name:
                parameter += torch.randn_like(parameter) * 0.3
    return model.eval()


def scene(model: Any, batch: int = 2, seed: int = 1) -> mv.Scene:
    images = torch.randn(batch, 3, 48, 48, generator=torch.Generator().manual_seed(seed))
    return mv.Scene(model, images, target=1)


@torch.no_grad()
def test_maps_are_those_of_timm():
    at = scene(convit())
    for layer in range(3):
        entry = at.trace.layers[layer]
        torch.testing.assert_close(Gates(layer)(at).mixed, entry.module.get_attention(entry.x), atol=1e-6, rtol=0)


def test_gates_start_at_sigma_of_1():
    found = Gates()(scene(convit()))
    torch.testing.assert_close(found.share, torch.full((3, 9), 0.7310586))
    assert found.nonlocality.shape == (4, 9) and found.logits.shape == (2, 4)
    mix = (1 - found.share[0, 0]) * found.content + found.share[0, 0] * found.position
    torch.testing.assert_close(found.mixed, mix)


def test_a_closed_gate_sees_places_only_and_an_open_one_pictures_only():
    model = convit()
    place, other = Gates(gate=1.0)(scene(model)), Gates(gate=1.0)(scene(model, seed=9))
    torch.testing.assert_close(place.mixed, other.mixed)
    assert torch.equal(place.mixed[0], place.mixed[1])
    content = Gates(gate=0.0)(scene(model))
    torch.testing.assert_close(content.mixed, content.content)
    moved = convit()
    with torch.no_grad():
        moved.blocks[0].attn.pos_proj.weight.mul_(-3)
    torch.testing.assert_close(Gates(gate=0.0)(scene(moved)).mixed, content.mixed)


def test_strong_locality_looks_at_the_heads_own_offset():
    """Nine heads are the nine offsets of a 3 x 3 convolution; interior queries attend to query + offset."""
    found = Gates(strength=50.0)(scene(convit()))
    query = 2 * 6 + 3
    looked = found.position[0, :, query].argmax(-1)
    offsets = {(int(at) // 6 - 2, int(at) % 6 - 3) for at in looked}
    assert offsets == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
    heat = found.heatmap(query, 0, part="position").values
    assert heat.shape == (2, 6, 6) and int(heat[0].argmax()) == int(looked[0])


def test_nonlocality_is_the_authors():
    at = scene(convit())
    attention = at.trace.layers[1].module.get_attention(at.trace.layers[1].x).mean(0)
    apart = at.trace.layers[1].module.rel_indices.squeeze()[:, :, -1] ** 0.5
    torch.testing.assert_close(Gates()(at).nonlocality[1], torch.einsum("nm,hnm->h", apart, attention) / 36)
    assert Gates(strength=20.0, gate=1.0)(at).nonlocality[0].max() <= 2**0.5 + 0.3, "heads look at most one patch away"


def test_overrides_change_the_answer_and_leave_nothing_behind():
    model = convit()
    logits = scene(model).logits  # the first pass makes timm write down the relative positions
    before = state(model)
    for lens in (Gates(gate=0.1), Gates(strength=4.0), Gates(gate=0.9, strength=0.0)):
        changed = lens(scene(model))
        assert not torch.allclose(changed.logits, logits, atol=1e-4)
    torch.testing.assert_close(Gates(strength=1.0)(scene(model)).logits, logits)
    assert state(model) == before and torch.equal(scene(model).logits, logits)


def test_joined_layers_wait_for_the_class_token():
    """Rollout and relevance cross from layers without a class token to those with one."""
    at = scene(convit())
    joint = Rollout().matrix(at)
    assert joint.shape == (2, 37, 37)
    torch.testing.assert_close(joint.sum(-1), torch.ones(2, 37))
    torch.testing.assert_close(joint[:, 0, 1:].reshape(2, 6, 6), Rollout()(at).values)
    assert Chefer()(at).values.min() >= 0 and Chefer()(at).values.max() > 0


def test_errors_say_what_is_wanted():
    with pytest.raises(TypeError, match="no gated positional attention: only ConViT has"):
        Gates()(small_scene())
    with pytest.raises(IndexError, match="layer is 3, but 3 layers are gated"):
        Gates(3)(scene(convit()))
    with pytest.raises(ValueError, match="gate is 2"):
        Gates(gate=2.0)(scene(convit()))
