"""Registers, trained or added while a model runs: patches stay as many and where they are, and nothing is left behind."""

import threading

import pytest
import timm
import torch

import mimviz as mv
from mimviz.vit import Neuron, Scene, anatomy, extra_registers, neuron_activations
from tests.discover.planted import LAYER, NEURONS, RED, at, picture, plain_vit, register_vit, scene, state

FOUND = [Neuron(LAYER, each) for each in NEURONS]
FAMILIES = {
    "vit_tiny_patch16_224": {"img_size": 64, "patch_size": 8, "reg_tokens": 2, "depth": 2},
    "vit_small_patch16_dinov3": {"img_size": 64, "depth": 2},
    "deit_tiny_distilled_patch16_224": {"img_size": 64, "patch_size": 8, "depth": 2},
    "eva02_tiny_patch14_224": {"img_size": 56, "depth": 2},
    "vit_small_patch14_dinov2": {"img_size": 56, "depth": 2, "dynamic_img_size": True},
    "vit_base_patch16_siglip_224": {"img_size": 64, "depth": 1},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_register_more_and_patches_as_before(name):
    model = timm.create_model(name, num_classes=5, **FAMILIES[name]).eval()
    images = torch.rand(2, 3, *anatomy(model).size)
    before, found = state(model), anatomy(model)
    plain = Scene(model, images)
    maps = plain.trace.maps(-1)
    with extra_registers(model, [Neuron(0, 3)], count=2) as same:
        inside = Scene(same, images)
        assert inside.anatomy.registers == found.registers + 2
        assert inside.trace.tokens[-1].shape[1] == found.prefix + 2 + found.grid.count
        assert inside.trace.maps(-1).shape == maps.shape
        assert inside.trace.certificate.exact
        assert inside.logits.shape == plain.logits.shape
    assert state(model) == before
    assert anatomy(model) == found


def test_the_model_says_what_it_said_when_nobody_sees_the_register():
    """With projections of 0 no token hears another: patches must not move at all."""
    vit = plain_vit()
    with torch.no_grad():
        for block in vit.blocks:
            block.attn.proj.weight.zero_()
    plain = scene(vit).trace.maps(-1)
    with extra_registers(vit):
        assert torch.allclose(scene(vit).trace.maps(-1), plain, atol=1e-6)


def test_it_is_the_same_as_a_zero_token_by_hand():
    """A naive pass: tokens with one zero more, block by block, neurons moved where they are read."""
    vit = register_vit()
    images = scene(vit).images
    with torch.no_grad():
        x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))
        x = torch.cat([x[:, :1], torch.zeros(1, 1, 32), x[:, 1:]], 1)
        for i, block in enumerate(vit.blocks):
            x = x + block.attn(block.norm1(x))
            hidden = block.mlp.act(block.mlp.fc1(block.norm2(x)))
            if i == LAYER:
                for neuron in NEURONS:
                    values = hidden[0, :, neuron].tolist()
                    hidden[0, 1, neuron] = max(values, key=abs)
                    hidden[0, 2:, neuron] = 0
            x = x + block.mlp.fc2(hidden)
    with extra_registers(vit, FOUND):
        assert torch.allclose(scene(vit).trace.tokens[-1], x, atol=1e-5)


def test_outliers_move_and_attention_follows():
    model = register_vit()
    plain = scene(model)
    red = at()
    assert torch.equal(mv.discover.Outliers()(plain).mask[0], red)
    with extra_registers(model, FOUND):
        moved = scene(model)
        attention = moved.trace.attention[LAYER + 1]
    clean = mv.discover.Outliers()(moved)
    assert clean.threshold is None and not clean.mask.any()
    norms = moved.trace.tokens[-1][0].norm(dim=-1)
    assert norms.argmax() == 1  # the register
    assert moved.trace.maps(-1).shape == plain.trace.maps(-1).shape
    row = plain.trace.attention[LAYER + 1][0, 0, 0, 1:].reshape(8, 8)
    assert row[red].sum() > 0.9  # the class token looked at nothing else
    row = attention[0, 0, 0]
    assert row[1] > 0.9 and row[2:].reshape(8, 8)[red].sum() < 0.05


def test_every_register_gets_the_extreme_with_its_sign_of_its_own_picture():
    """A neuron of block 0, which nothing before it can change, and whose extreme is negative."""
    model = register_vit()
    with torch.no_grad():
        mlp = model.blocks[0].mlp
        mlp.act, mlp.fc1.bias[3] = torch.nn.Identity(), -1.0
        mlp.fc1.weight[3, RED], mlp.fc1.weight[3, RED + 1] = -4.0, 4.0
        model.blocks[0].attn.proj.weight.zero_()
        own = float(mlp.fc1(model.blocks[0].norm2(model.blocks[0].attn.proj.bias))[3])  # what the new token itself says
    pair = scene(model, picture(9), picture(20, seed=1))
    plain = neuron_activations(pair)[0][..., 3]  # (2, 65)
    with extra_registers(model, [Neuron(0, 3)], count=2):
        inside = scene(model, *pair.pictures)
        moved = neuron_activations(inside)[0][..., 3]  # (2, 67)
    extremes = [max([*row.tolist(), own], key=abs) for row in plain]
    assert max(extremes) < -1 and extremes[0] != extremes[1]
    assert torch.allclose(moved[:, 1:3], torch.tensor(extremes)[:, None].expand(2, 2))
    assert torch.equal(moved[:, 0], plain[:, 0])
    assert not moved[:, 3:].any()


def test_threads_do_not_see_each_others_registers():
    model, seen = register_vit(), []
    images = scene(model).images

    def other():
        with torch.no_grad():
            seen.append(model.forward_features(images).shape[1])

    with extra_registers(model, FOUND):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with torch.no_grad():
            seen.append(model.forward_features(images).shape[1])
    assert seen == [65, 66]


def test_everything_is_undone_after_an_exception():
    model = register_vit().train()
    before = state(model)
    with extra_registers(model, FOUND):
        assert not model.training
    assert state(model) == before
    with pytest.raises(AssertionError, match="63"), extra_registers(model, FOUND):
        model(torch.zeros(1, 3, 63, 64))
    assert state(model) == before


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "swin_tiny_patch4_window7_224", "convit_tiny"])
def test_models_without_a_place_for_it_say_so(name):
    model = timm.create_model(name, **({"depth": 1} if "beit" in name else {})).eval()
    with pytest.raises(TypeError, match="cannot be given a register"), extra_registers(model):
        pass


def test_wrong_neurons_and_counts_are_refused():
    model = register_vit()
    before = state(model)
    for neurons, count, error, message in (
        ([Neuron(4, 0)], 1, IndexError, "has 4, from 0"),
        ([Neuron(0, 128)], 1, IndexError, "has 128"),
        ([], 0, ValueError, "count is 0"),
    ):
        with pytest.raises(error, match=message), extra_registers(model, neurons, count=count):
            pass
    model.blocks[0].mlp.fc2 = torch.nn.Sequential(model.blocks[0].mlp.fc2)
    with pytest.raises(TypeError, match="a Sequential"), extra_registers(model, [Neuron(0, 0)]):
        pass
    assert state(model)[0] == before[0]


def test_permuting_trained_registers_leaves_patches_where_they_are():
    """They have no order: with their positions permuted along, only their own outputs change places."""
    vit = plain_vit(prefix=5)
    plain = scene(vit).trace.tokens[-1]
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        vit.reg_token.copy_(vit.reg_token[:, order])
        vit.pos_embed[:, 1:5] = vit.pos_embed[:, 1:5][:, order]
    moved = scene(vit).trace.tokens[-1]
    assert torch.allclose(moved[:, 5:], plain[:, 5:], atol=1e-6)
    assert torch.allclose(moved[:, :1], plain[:, :1], atol=1e-6)
    assert torch.allclose(moved[:, 1:5], plain[:, 1:5][:, order], atol=1e-6)
    assert not torch.allclose(moved[:, 1:5], plain[:, 1:5], atol=1e-3)
