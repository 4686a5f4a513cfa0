"""What a scene answers: feature maps as pictures, gradients, conv nets, memory, and reasons where there is no answer."""

import pytest
import timm
import torch
from attention_families import pictures, tiny

import mimviz as mv
from mimviz.vit import Scene, explain_flat


def kept(model, name, images):
    """What a module returns in a pass with a gradient, and the gradient of logit 3 by it."""
    found = []
    handle = model.get_submodule(name).register_forward_hook(lambda _, args, output: found.append(output))
    score = model(images.detach().requires_grad_())[:, 3].sum()
    handle.remove()
    return found[0].detach(), torch.autograd.grad(score, found[0])[0]


CONV = {
    "ResNet": ("resnet18", {}, "layer3.1", (2, 256, 4, 6)),
    "ResNet, bottleneck": ("resnet50", {}, "layer2.0", (2, 512, 8, 12)),
    "ConvNeXt": ("convnext_atto", {}, "stages.2.blocks.0", (2, 160, 4, 6)),
}


@pytest.mark.parametrize(("name", "more", "block", "shape"), CONV.values(), ids=CONV)
def test_conv_nets_show_their_feature_maps_with_the_gradient(name, more, block, shape):
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=7, **more).eval()
    images = torch.randn(2, 3, 64, 96)
    scene = Scene(model, images, target=3)
    index = scene.anatomy.blocks.index(block)
    expected, grad = kept(model, block, images)
    assert scene.trace.maps(index).shape == shape
    torch.testing.assert_close(scene.trace.maps(index), expected)
    torch.testing.assert_close(scene.trace.maps_grad(index), grad, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(scene.trace.maps(-1), scene.trace.maps(len(scene.anatomy.blocks) - 1))
    assert scene.trace.tokens[index].shape == (2, shape[2] * shape[3], shape[1])
    assert scene.trace.blocks[index].layout.grid.shape == shape[2:]


def test_a_conv_net_has_no_attention_and_says_so():
    model = timm.create_model("resnet18", num_classes=7).eval()
    scene = Scene(model, torch.randn(1, 3, 64, 64))
    assert scene.trace.layers == [] and len(scene.trace.attention) == 0 and list(scene.trace.attention) == []
    for ask in (
        lambda: scene.trace.attention[0],
        lambda: scene.trace.attention_grad[-1],
        lambda: scene.trace.rows(0, torch.tensor([0])),
        lambda: scene.trace.certificate,
    ):
        with pytest.raises(ValueError, match=r"ResNet has no attention to look at.*trace\.maps\(layer\)"):
            ask()


@pytest.mark.parametrize("family", ["ViT", "DINOv2, registers", "Swin", "Hiera", "ConViT", "SigLIP", "DINOv3"])
def test_maps_are_what_timm_calls_intermediates(family):
    model = tiny(family)
    images = pictures(model)
    scene = Scene(model, images, target=3)
    more = {"coarse": False} if family == "Hiera" else {}
    if family == "Swin":  # timm hands out stages: the last block of each
        wanted = [
            i for i, stage in enumerate(scene.anatomy.stage_of) if scene.anatomy.stage_of[i + 1 : i + 2] != (stage,)
        ]
    else:
        wanted = range(len(scene.anatomy.blocks))
    expected = model.forward_intermediates(images, intermediates_only=True, output_fmt="NCHW", **more)
    for block, map_ in zip(wanted, expected, strict=True):
        torch.testing.assert_close(scene.trace.maps(block), map_.detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["ViT", "Swin", "Hiera", "ConViT", "SigLIP", "DINOv3"])
def test_the_gradient_of_maps_predicts_what_a_small_step_does(family):
    """s(x + εd) − s(x − εd) over 2ε, with the step added to a block's output, is ⟨∂s/∂maps, d⟩."""
    model = tiny(family).double()
    images = pictures(model, 1)
    block = len(Scene(model, images).anatomy.blocks) // 2
    scene = Scene(model, images, target=3)
    grad, layout, name = scene.trace.maps_grad(block), scene.trace.blocks[block].layout, scene.anatomy.blocks[block]
    raw = scene.trace.blocks[block].output
    step = torch.randn(raw.shape, dtype=raw.dtype, generator=torch.Generator().manual_seed(0))
    inside = layout.map(layout.tokens(step))
    if layout.prefix:
        step[:, : layout.prefix] = 0
    scores = []
    for sign in (1, -1):
        handle = model.get_submodule(name).register_forward_hook(
            lambda _, args, out, sign=sign: out + sign * 1e-5 * step
        )
        scores.append(float(scene.score(images).detach()))
        handle.remove()
    assert (scores[0] - scores[1]) / 2e-5 == pytest.approx(float((grad * inside).sum()), rel=1e-5)


def test_attention_gradients_predict_what_a_small_change_of_the_map_does():
    model = tiny("ViT").double()
    scene = Scene(model, pictures(model, 1), target=3)
    grad = scene.trace.attention_grad[1]
    change = torch.randn(grad.shape, dtype=grad.dtype, generator=torch.Generator().manual_seed(0))
    with mv.vit.edited(model, maps={1: lambda A: A + 1e-6 * change}):
        plus = float(scene.score(scene.images).detach())
    with mv.vit.edited(model, maps={1: lambda A: A - 1e-6 * change}):
        minus = float(scene.score(scene.images).detach())
    assert (plus - minus) / 2e-6 == pytest.approx(float((grad * change).sum()), rel=1e-5)


def test_pooling_by_attention_is_a_layer_of_its_own():
    model = tiny("SigLIP")
    scene = Scene(model, pictures(model), target=3)
    pooling = scene.trace.pooling
    assert len(scene.trace.layers) == 3 and pooling.name == "attn_pool"
    weights = pooling.mixing.weights()
    assert weights.shape == (2, 2, 1, 16)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 1))
    assert pooling.certificate.exact and scene.trace.pooling_grad.shape == weights.shape
    with pytest.raises(ValueError, match="does not pool by attention"):
        _ = Scene(tiny("ViT"), torch.randn(1, 3, 16, 24), target=3).trace.pooling_grad


def test_convit_shows_content_position_and_gate():
    model = tiny("ConViT")
    scene = Scene(model, pictures(model))
    for index, layer in enumerate(scene.trace.layers):
        assert layer.prefix == (0 if index < 2 else 1) and layer.grid == scene.grid
    gated, module = scene.trace.layers[0].mixing, model.blocks[0].attn
    torch.testing.assert_close(gated.share, module.gating_param.detach().sigmoid())
    torch.testing.assert_close(gated.weights(), module.get_attention(scene.trace.layers[0].x).detach())
    share = gated.share.view(1, -1, 1, 1)
    torch.testing.assert_close((1 - share) * gated.content() + share * gated.positional(), gated.weights())
    distances = module.rel_indices[0, ..., 2]
    torch.testing.assert_close(gated.positional(torch.tensor([3]))[0, 0, 0].sum(), torch.tensor(1.0))
    assert distances.shape == gated.positional()[0, 0].shape


def test_rows_heads_and_half_are_parts_of_the_map():
    model = tiny("DINOv3")
    scene = Scene(model, pictures(model), target=3)
    whole = scene.trace.attention[1]
    ids = torch.tensor([0, 7, 20, -1])
    torch.testing.assert_close(scene.trace.rows(1, ids), whole[:, :, ids], atol=1e-7, rtol=1e-5)
    torch.testing.assert_close(scene.trace.weights(1, heads=[1]), whole[:, 1:], atol=1e-7, rtol=1e-5)
    half = scene.trace.weights(1, half=True)
    assert half.dtype == torch.float16 and float((half - whole).abs().max()) < 5e-4
    grad = scene.trace.attention_grad[1]
    torch.testing.assert_close(scene.trace.weights_grad(1, heads=slice(1)), grad[:, :1])
    torch.testing.assert_close(scene.trace.attention[-1], scene.trace.attention[2])
    with pytest.raises(IndexError, match=r"layer is 3, but there are 3: 0\.\.2"):
        _ = scene.trace.attention[3]


def test_only_the_layers_asked_for_are_held():
    model = tiny("ViT")
    images = pictures(model)
    every, some = Scene(model, images, target=3), Scene(model, images, target=3, layers=[-1])
    assert some.trace.bytes < every.trace.bytes / 2
    torch.testing.assert_close(some.trace.attention[2], every.trace.attention[2])
    torch.testing.assert_close(some.trace.attention_grad[-1], every.trace.attention_grad[-1])
    torch.testing.assert_close(some.trace.token_grad[2], every.trace.token_grad[2])
    assert some.trace.certificate.exact and len(some.trace.attention) == 3
    for ask in (lambda: some.trace.attention[0], lambda: some.trace.tokens[0], lambda: some.trace.attention_grad[1]):
        with pytest.raises(
            ValueError, match=r"blocks\.\d\S* was left out of this pass: name it in Scene\(…, layers=…\)"
        ):
            ask()
    with pytest.raises(IndexError, match=r"layers names 3, but this model has 3 blocks"):
        Scene(model, images, layers=[3])


def test_what_is_held_is_said():
    model = tiny("ViT")
    scene = Scene(model, pictures(model))
    numbers = 2 * 25 * 24 * 4  # one (B, N, C) of float32
    assert scene.trace.bytes == numbers * (7 * 3 + 1), "x, q, k, v, A · V, output and tokens of 3 layers, and what went in"
    _ = list(scene.trace.attention)
    assert scene.trace.bytes == numbers * (7 * 3 + 1) + 3 * 2 * 2 * 25 * 25 * 4, "and three maps for the next reader"
    scene.trace.kept.clear()
    scene.trace.kept.limit = 0
    _ = list(scene.trace.attention)
    assert scene.trace.bytes == numbers * (7 * 3 + 1), "no map is kept"


def test_readers_share_maps_and_a_spoilt_one_is_made_again():
    model = tiny("ViT")
    scene = Scene(model, pictures(model), target=3)
    first, grad = scene.trace.attention[1], scene.trace.attention_grad[1]
    assert scene.trace.attention[1] is first and scene.trace.attention_grad[-2] is grad
    wanted = first.clone()
    scene.trace.weights(1, heads=[0]).mul_(2)  # a copy
    assert scene.trace.attention[1] is first
    first[:, :1].zero_()
    torch.testing.assert_close(scene.trace.attention[1], wanted)


def test_what_is_kept_has_a_limit():
    model = tiny("ViT")
    scene = Scene(model, pictures(model))
    one = 2 * 2 * 25 * 25 * 4
    scene.trace.kept.limit = 2 * 3 * one
    _ = list(scene.trace.attention), list(scene.trace.attention)
    assert scene.trace.kept.bytes == 3 * one
    scene.trace.kept.clear()
    scene.trace.kept.limit -= 1
    _ = list(scene.trace.attention)
    assert scene.trace.kept.bytes == 0, "all layers' maps or none"


def test_numbers_of_tokens_become_pictures_of_patches():
    scene = Scene(tiny("DINOv2, registers"), torch.randn(2, 3, 16, 16))
    values = torch.arange(2 * 21.0).view(2, 21)
    assert torch.equal(scene.patches(values), values[:, 5:].view(2, 4, 4))
    assert torch.equal(scene.patches(values[:, 5:]), values[:, 5:].view(2, 4, 4))
    with pytest.raises(
        ValueError, match=r"the map holds 20 tokens, but the picture has 4 x 4 patches and 5 tokens before them"
    ):
        scene.patches(values[:, 1:])


def test_pictures_of_another_size_are_taken_by_models_that_take_them():
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=4, dynamic_img_size=True, num_classes=3, depth=2
    ).eval()
    scene = Scene(model, torch.randn(1, 3, 20, 28))
    assert scene.grid.shape == (5, 7) and scene.trace.maps(0).shape == (1, 192, 5, 7)
    with pytest.raises(ValueError, match="16 x 24 pixels, not of 24 x 24"):
        Scene(tiny("ViT"), torch.randn(1, 3, 24, 24))


# --- guards ---


def test_a_cam_behind_the_last_attention_is_explained_with_the_layer_to_use():
    model = tiny("ViT")
    scene = Scene(model, pictures(model), target=3)
    cam = scene.trace.maps_grad(-1).sum(1)
    assert not cam.any()
    why = explain_flat(scene, cam, -1)
    assert "patches of layer 2 do not reach the score" in why and "class token" in why
    assert why.endswith("Ask layer 1 (layer=-2)")
    assert explain_flat(scene, scene.trace.maps_grad(-2).sum(1), -2) == ""


def test_other_empty_maps_are_explained_too():
    model = tiny("ViT, averaged")
    scene = Scene(model, pictures(model), target=3)
    assert explain_flat(scene, torch.rand(2, 4, 4), 1) == ""
    assert "flat: every value is 0.5" in explain_flat(scene, torch.full((2, 4, 4), 0.5))
    assert "0 everywhere" in explain_flat(scene, torch.zeros(2, 4, 4), 1)
    assert "2 of 32 values are NaN or infinite; the method overflowed" in explain_flat(
        scene,
        torch.zeros(2, 4, 4)
        .index_fill(2, torch.tensor([0]), 0)
        .masked_fill(torch.arange(32).view(2, 4, 4) < 2, float("nan")),
    )


def test_an_untrained_head_and_a_broken_model_are_named():
    model = tiny("ViT")
    torch.nn.init.zeros_(model.head.weight)
    scene = Scene(model, pictures(model), target=3)
    why = explain_flat(scene, scene.trace.maps_grad(0).sum(1), 0)
    assert "does not depend on the picture" in why and "head.weight" in why
    model = tiny("ViT")
    torch.nn.init.constant_(model.head.weight, float("nan"))
    broken = Scene(model, pictures(model), target=3)
    assert "the model's own output is already broken" in explain_flat(broken, torch.full((2, 4, 6), float("nan")))


def test_a_score_that_cannot_move_is_explained_for_maps_of_any_kind():
    untrained = tiny("ViT")
    torch.nn.init.zeros_(untrained.head.weight)
    why = explain_flat(Scene(untrained, pictures(untrained), target=3), torch.zeros(2, 4, 4))
    assert "does not depend on the picture" in why and "head.weight" in why
    sure = tiny("ViT")
    with torch.no_grad():
        sure.head.bias[3] = 18.0
    for target, saturated in ((3, False), (lambda logits: logits.softmax(-1)[:, 3], True)):
        scene = Scene(sure, pictures(sure), target=target)
        why = explain_flat(scene, scene.image_grad.sum(1))
        assert ("the target is saturated" in why and "Ask for the class" in why) == saturated
        assert bool(why) == saturated
    with torch.no_grad():
        sure.head.bias[3] = 200.0
    scene = Scene(sure, pictures(sure), target=lambda logits: logits.softmax(-1)[:, 3])
    why = explain_flat(scene, scene.image_grad.sum(1))
    assert "does not depend on the picture at all: the target is saturated: it is 1 and moves by 0" in why
    unsure = Scene(tiny("ViT"), pictures(sure), target=lambda logits: logits.softmax(-1)[:, 3])
    assert explain_flat(unsure, unsure.image_grad.sum(1)) == ""
