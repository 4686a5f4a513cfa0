"""Edited attention: what is knocked out is gone, what changes nothing changes nothing, and everything is undone."""

import gc
import weakref

import pytest
import torch
from attention_families import MODELS, pictures, tiny
from test_scene_state import same, state

from mimviz import recipes
from mimviz.core import Mask
from mimviz.vit import Scene, edited, encoder


def logits(model, images):
    with torch.no_grad():
        return model(images)


@pytest.mark.parametrize("family", MODELS)
def test_an_edit_that_changes_nothing_changes_nothing(family):
    model = tiny(family)
    images = pictures(model)
    plain = logits(model, images)
    before = state(model)
    count = len(Scene(model, images).trace.layers)
    with edited(model, maps=dict.fromkeys(range(count), lambda A: A)):
        assert torch.equal(logits(model, images), plain), "an untouched map leaves the module's own numbers alone"
    with edited(model, maps=dict.fromkeys(range(count), lambda A: A * 1.0), tokens=[], heads={0: []}):
        scene = Scene(model, images)
        torch.testing.assert_close(scene.trace.logits, plain, atol=1e-6 * float(plain.abs().max()), rtol=1e-5)
        assert scene.trace.certificate.exact
    assert torch.equal(logits(model, images), plain)
    same(before, state(model))


@pytest.mark.parametrize("family", ["ViT", "DINOv3", "BEiT", "Swin", "Hiera", "ConViT", "differential", "norm of A V"])
def test_a_head_that_is_knocked_out_adds_nothing(family):
    """By hand: its share of A · V, where the module hands it on, is 0."""
    model = tiny(family)
    images = pictures(model)
    scene = Scene(model, images)
    layer = 2
    module, mixing = scene.trace.layers[layer].module, scene.trace.layers[layer].mixing
    into = scene.trace.layers[layer].reader.enters(module)

    def without(_, args):
        heads = mixing.split(args[0]).clone()
        heads[:, 1] = 0
        return (mixing.join(heads),)

    handle = into.register_forward_pre_hook(without)
    expected = logits(model, images)
    handle.remove()
    with edited(model, heads={layer: [1]}):
        other = Scene(model, images)
        torch.testing.assert_close(other.trace.logits, expected, atol=1e-6, rtol=1e-5)
        assert not other.trace.attention[layer][:, 1].any() and other.trace.attention[layer][:, 0].any()
    assert not torch.allclose(expected, logits(model, images), atol=1e-6)


def test_a_token_that_is_knocked_out_is_one_that_is_not_there():
    """Dropping keys is −∞ in their scores, as timm's own attn_mask has it; later maps react."""
    model = tiny("ViT").double()
    images = pictures(model)
    allowed = torch.ones(1, 1, 1, 25, dtype=torch.bool)
    allowed[..., [3, 24]] = False
    x = model._pos_embed(model.patch_embed(images))
    for block in model.blocks:
        x = block(x, attn_mask=allowed)
    with edited(model, tokens=[3, -1]):
        scene = Scene(model, images)
        torch.testing.assert_close(scene.trace.tokens[2], x.detach(), atol=1e-10, rtol=1e-9)
        weights = scene.trace.attention[1]
    assert not weights[..., [3, 24]].any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 25).double())


@pytest.mark.parametrize("family", ["Swin", "Swin v2", "Hiera", "BEiT", "ConViT"])
def test_tokens_are_numbered_as_in_the_map_also_in_windows(family):
    model = tiny(family)
    images = pictures(model)
    plain = Scene(model, images)
    with edited(model, tokens={0: [5], 1: [2, 3]}):
        scene = Scene(model, images)
        for layer, ids in {0: [5], 1: [2, 3]}.items():
            weights = scene.trace.attention[layer]
            assert not weights[..., ids].any() and plain.trace.attention[layer][..., ids].any()
            torch.testing.assert_close(weights.sum(-1), plain.trace.attention[layer].sum(-1), atol=1e-5, rtol=1e-5)
        ids = torch.tensor([4, 6])
        torch.testing.assert_close(scene.trace.rows(1, ids), scene.trace.attention[1][:, :, ids])
        assert scene.trace.certificate.exact
    assert not torch.allclose(scene.trace.attention[-1], plain.trace.attention[-1], atol=1e-7)


def test_a_map_may_be_replaced_by_any_function_and_gradients_flow_through_it():
    model = tiny("ViT").double()
    images = pictures(model, 1)
    with edited(model, maps={1: lambda A: 0.5 * A + 0.5 * A.mean(-2, keepdim=True)}):
        scene = Scene(model, images, target=3)
        grad = scene.image_grad
        step = torch.randn(images.shape, dtype=images.dtype, generator=torch.Generator().manual_seed(0))
        plus, minus = (float(scene.score(images + sign * 1e-5 * step).detach()) for sign in (1, -1))
    assert (plus - minus) / 2e-5 == pytest.approx(float((grad * step).sum()), rel=1e-5)
    uniform = torch.full((1, 2, 25, 25), 1 / 25, dtype=torch.float64)
    with edited(model, maps={-1: lambda A: uniform}):
        assert torch.equal(Scene(model, images).trace.attention[-1], uniform)


def test_gates_of_convit_may_be_overridden():
    model = tiny("ConViT")
    images = pictures(model)
    gated = Scene(model, images).trace.layers[0].mixing
    with edited(model, gates={0: 1.0, 1: [0, 1, 0, 1]}):
        trace = Scene(model, images).trace
        torch.testing.assert_close(trace.attention[0], gated.positional().expand_as(trace.attention[0]))
        inner = trace.layers[1].mixing
        torch.testing.assert_close(trace.attention[1][:, 0], inner.content()[:, 0])
        torch.testing.assert_close(trace.attention[1][:, 1], inner.positional().expand(2, -1, -1, -1)[:, 1])
        assert trace.certificate.exact
    model.blocks[0].attn.gating_param.data.fill_(40.0)
    by_weight = logits(model, images)
    with edited(tiny("ConViT"), gates={0: 1.0}) as other:
        torch.testing.assert_close(logits(other, images), by_weight, atol=1e-5, rtol=1e-5)


def test_edits_nest_and_leave_in_any_order():
    model = tiny("ViT")
    images = pictures(model)
    plain = logits(model, images)
    before = state(model)
    with edited(model, heads={1: [0]}):
        one = logits(model, images)
        with edited(model, heads={1: [1]}), edited(model, tokens={1: [4]}):
            weights = Scene(model, images).trace.attention[1]
            assert not weights.any()
        assert torch.equal(logits(model, images), one)
    first, second = edited(model, heads={1: [0]}), edited(model, heads={1: [1]})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not torch.equal(logits(model, images), plain) and not torch.equal(logits(model, images), one)
    second.__exit__(None, None, None)
    assert torch.equal(logits(model, images), plain)
    same(before, state(model))


def test_edits_are_undone_after_an_exception_and_hold_no_model():
    model = tiny("ViT")
    images = pictures(model)
    before = state(model)

    def fail(A):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), edited(model, maps={1: fail}):
        model(images)
    with (
        pytest.raises(ValueError, match=r"returned a map of shape \(2, 2, 25\), but \(2, 2, 25, 25\)"),
        edited(model, maps={0: lambda A: A[..., 0]}),
    ):
        model(images)
    with pytest.raises(ValueError, match="x"), edited(model, heads={0: [0]}):
        raise ValueError("x")
    same(before, state(model))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_what_is_not_there_cannot_be_edited():
    import timm

    model = tiny("ViT")
    images = pictures(model)
    with (
        pytest.raises(IndexError, match=r"layer is 3, but this VisionTransformer has 3: 0\.\.2"),
        edited(model, heads={3: [0]}),
    ):
        pass
    with pytest.raises(IndexError, match=r"head is 2, but layer 0 has 2"), edited(model, heads={0: [2]}):
        model(images)
    with pytest.raises(IndexError, match=r"token is 25, but layer 0 has 25"), edited(model, tokens={0: [25]}):
        model(images)
    with pytest.raises(TypeError, match="layer 1 is Attention, which has no gate"), edited(model, gates={1: 0.5}):
        pass
    with (
        pytest.raises(ValueError, match="ResNet has no attention modules"),
        edited(timm.create_model("resnet18"), tokens=[0]),
    ):
        pass


def test_a_head_of_the_pooling_is_knocked_out():
    """By hand: its share of A · V, where the pooling hands it on, is 0; a token that nobody sees is not pooled either."""
    model = tiny("SigLIP")
    images = pictures(model)
    pooling = Scene(model, images).trace.pooling

    def without(_, args):
        heads = pooling.mixing.split(args[0]).clone()
        heads[:, 1] = 0
        return (pooling.mixing.join(heads),)

    handle = pooling.module.proj.register_forward_pre_hook(without)
    expected = logits(model, images)
    handle.remove()
    with edited(model, heads={"pool": [1]}):
        scene = Scene(model, images)
        torch.testing.assert_close(scene.trace.logits, expected, atol=1e-6, rtol=1e-5)
    assert not scene.trace.pooling.mixing.weights()[:, 1].any() and scene.trace.certificate.exact
    with edited(model, tokens=[3]):
        scene = Scene(model, images)
        assert not scene.trace.pooling.mixing.weights()[..., 3].any() and not scene.trace.attention[0][..., 3].any()
    with pytest.raises(IndexError, match=r"layer is 'pool', but this \w+ has 3: 0\.\.2, or -1 for the last$"):
        edited(tiny("ViT"), heads={"pool": [0]}).__enter__()


def test_a_decoder_is_edited():
    torch.manual_seed(0)
    small = encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
    model = recipes.mae(small, dim=16, depth=2).eval()
    images, mask = torch.randn(2, 3, 32, 32), Mask.random(model.grid, ratio=0.5, seed=0)
    before = Scene(model, images, mask=mask)
    with edited(model, part="decoder", heads={-1: [0]}, tokens={0: [2]}):
        scene = Scene(model, images, mask=mask)
        assert not scene.decoder_trace.attention[1][:, 0].any() and not scene.decoder_trace.attention[0][..., 2].any()
    assert scene.decoder_trace.certificate.exact
    torch.testing.assert_close(scene.trace.tokens[-1], before.trace.tokens[-1], equal_nan=True)
    assert not torch.allclose(scene.trace.logits.patch_loss, before.trace.logits.patch_loss)
    with pytest.raises(ValueError, match="part is 'decoder', but VisionTransformer has 'encoder' alone"):
        edited(small.vit, part="decoder").__enter__()
