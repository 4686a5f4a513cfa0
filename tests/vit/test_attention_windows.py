"""Windows put back into the picture: the dense map times V, in the picture's order, is what the block mixes."""

import pytest
import torch
from attention_families import pictures, tiny
from torch.nn import functional as F

import mimviz.vit.trace as tracing
from mimviz.vit import Scene

WINDOWED = ("Swin", "Swin, padded", "Swin v2", "Hiera")


def inputs_of(model, names, images):
    """What goes into every block."""
    found, hooks = [], []
    for name in names:
        module = model.get_submodule(name)
        hooks.append(module.register_forward_pre_hook(lambda _, args: found.append(args[0].detach())))
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return found


def mixed_by(attention, weights, v):
    """(B, heads, Q, K) and (B, K, C) → projection of A · V (B, Q, C)."""
    heads = v.unflatten(-1, (weights.shape[1], -1)).transpose(1, 2)
    return attention.proj((weights @ heads).transpose(1, 2).flatten(2))


@torch.no_grad()
@pytest.mark.parametrize("family", ["Swin", "Swin, padded", "Swin v2"])
def test_the_dense_map_mixes_as_shifted_windows_do(family):
    model = tiny(family)
    images = pictures(model)
    scene = Scene(model, images)
    for index, x in enumerate(inputs_of(model, scene.anatomy.blocks, images)):
        block = model.get_submodule(scene.anatomy.blocks[index])
        x = x if family == "Swin v2" else block.norm1(x)
        bias = (
            torch.cat([block.attn.q_bias, block.attn.k_bias, block.attn.v_bias])
            if family == "Swin v2"
            else block.attn.qkv.bias
        )
        v = F.linear(x, block.attn.qkv.weight, bias).chunk(3, -1)[2].flatten(1, 2)
        v_padding = bias.chunk(3)[2].expand(len(v), 1, -1)
        weights = scene.trace.attention[index]  # (B, heads, N, N)
        lost = 1 - weights.sum(-1, keepdim=True)  # what goes to padding, whose v is the bias alone
        assert torch.all(lost > -1e-5)
        assert family == "Swin, padded" or float(lost.max()) < 1e-5
        got = mixed_by(block.attn, torch.cat([weights, lost], -1), torch.cat([v, v_padding], 1))
        torch.testing.assert_close(got, block._attn(x).flatten(1, 2), atol=2e-6, rtol=1e-5)
        assert scene.trace.layers[index].grid.shape == tuple(x.shape[1:3])
        assert scene.trace.layers[index].prefix == 0


@torch.no_grad()
def test_the_dense_map_mixes_as_mask_units_do():
    model = tiny("Hiera")
    images = pictures(model)
    scene = Scene(model, images)
    pooled = 0
    for index, x in enumerate(inputs_of(model, scene.anatomy.blocks, images)):
        block, layer = model.blocks[index], scene.trace.layers[index]
        x = block.norm1(x)
        v = block.attn.qkv(x).chunk(3, -1)[2]
        v = model.reroll(v, index if block.attn.q_stride == 1 else index - 1).flatten(1, 2)
        weights = scene.trace.attention[index]
        assert weights.shape[-2:] == (layer.grid.count, layer.keys.count)
        pooled += layer.grid != layer.keys
        expected = model.reroll(block.attn(x), index).flatten(1, 2)
        torch.testing.assert_close(mixed_by(block.attn, weights, v), expected, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))
    assert pooled == model.q_pool


@pytest.mark.parametrize("family", WINDOWED)
def test_rows_are_those_of_the_whole_map(family):
    model = tiny(family)
    scene = Scene(model, pictures(model), target=2)
    for index in range(len(scene.trace.layers)):
        whole = scene.trace.attention[index]
        ids = torch.tensor([whole.shape[2] - 1, 0, 1, 0])
        torch.testing.assert_close(scene.trace.rows(index, ids), whole[:, :, ids], atol=1e-7, rtol=1e-5)
        torch.testing.assert_close(scene.trace.rows(index, ids, heads=[0]), whole[:, :1, ids], atol=1e-7, rtol=1e-5)
        grad = scene.trace.attention_grad[index]
        assert grad.shape == whole.shape
        local = scene.trace.layers[index].mixing
        assert int((grad != 0).sum(-1).max()) <= local.key_at.shape[1], "outside its window nothing is mixed"
        by = scene.trace.backward().mixed[index]
        assert (
            float((whole * grad).sum())
            == pytest.approx(float((local.local.weights() * local.local.weights_grad(by)).sum()), rel=1e-3, abs=1e-5)
            or family == "Swin, padded"
        )


def test_neighbours_across_a_shifted_border_see_each_other():
    """In Swin's second block windows are moved by half of one: patches 3 and 4 of a row share one, 5 and 6 no more than before."""
    model = tiny("Swin")
    first, second = (Scene(model, pictures(model, 1)).trace.attention[layer][0, 0] for layer in (0, 1))
    cols = 32

    def seen(maps, row, col, other):
        return bool(maps[row * cols + col, row * cols + other] > 1e-6)

    assert (seen(first, 5, 3, 4), seen(second, 5, 3, 4)) == (False, True)
    assert (seen(first, 5, 1, 2), seen(second, 5, 1, 2)) == (True, False)
    assert not seen(second, 5, 0, 31), "what the shift brings together from both edges is masked"


def test_maps_above_the_bound_are_refused_by_name_and_rows_are_not(monkeypatch):
    model = tiny("Swin")
    scene = Scene(model, pictures(model))
    monkeypatch.setattr(tracing, "LIMIT", 10_000)
    with pytest.raises(ValueError, match=r"layer 1 has 2 x 1 x 512 x 512 numbers.*trace\.rows\(1, ids\)"):
        _ = scene.trace.attention[1]
    assert scene.trace.rows(1, torch.tensor([7])).shape == (2, 1, 1, 512)
    with pytest.raises(IndexError, match=r"rows 512\.\.512 .* layer 1 has 512"):
        scene.trace.rows(1, torch.tensor([512]))
