"""Every family: nothing hidden is the model's own pass, and what is dropped is what is masked out as a key."""

from copy import deepcopy

import pytest
import timm
import torch
from timm_families import GLOBAL, WIDE, Case, shaken

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.how import Drop
from mimviz.vit import Encoder

SMALL_SWIN = {"img_size": (32, 64), "depths": (2, 2, 2), "num_heads": (1, 2, 4), "embed_dim": 16, "window_size": 4}
WHOLE = {
    "Swin": ("swin_tiny_patch4_window7_224", SMALL_SWIN),
    "Swin v2": ("swinv2_tiny_window8_256", SMALL_SWIN),
    "ResNet": ("resnet26d", {"img_size": (64, 96)}),
    "ConvNeXt": ("convnext_atto", {"img_size": (64, 96), "depths": (1, 1, 2, 1)}),
    "ConvNeXt v2": ("convnextv2_atto", {"img_size": (64, 96), "depths": (1, 1, 2, 1)}),
}
HIERA = ("hiera_tiny_224", {"img_size": (64, 96), "stages": (1, 1, 2, 1), "embed_dim": 16})


def opened(case: Case) -> tuple[Encoder, torch.Tensor]:
    encoder = Encoder(case.build(), size=case.size).eval()
    return encoder, torch.randn(2, 3, *encoder.anatomy.size)


@pytest.mark.parametrize("case", GLOBAL.values(), ids=GLOBAL)
def test_nothing_hidden_is_the_plain_model(case: Case):
    encoder, images = opened(case)
    content, expected = encoder.embed(images), encoder.vit.forward_features(images)
    assert content.shape == (2, encoder.grid.count, encoder.content_width) and encoder.whole is None
    torch.testing.assert_close(encoder(content), expected, atol=1e-5, rtol=1e-5)
    kept = encoder(*Drop()(content, Mask.none(encoder.grid).expand(2)))
    torch.testing.assert_close(kept, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", GLOBAL.values(), ids=GLOBAL)
def test_dropping_patches_is_masking_their_keys(case: Case, monkeypatch):
    """Also for every gradient. The twin is timm's own unfused pass over all tokens, −inf put into each softmax from outside."""
    encoder, images = opened(case)
    hidden = torch.cat([Mask.random(encoder.grid, ratio=0.5, seed=seed).hidden for seed in (1, 2)])
    mask, N = Mask(hidden, hidden), encoder.grid.count
    dropped = encoder(*Drop()(encoder.embed(images), mask))
    ours = gradients(encoder, dropped)

    softmax, seen = torch.Tensor.softmax, []

    def masked(scores, dim):
        dead = torch.cat([torch.zeros(2, scores.shape[-1] - N, dtype=torch.bool), hidden], 1)[:, None, None]
        seen.append(scores.shape)
        return softmax(scores.masked_fill(dead, float("-inf")), dim)

    for module in encoder.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    monkeypatch.setattr(torch.Tensor, "softmax", masked)
    features = encoder.vit.forward_features(images)
    assert len(seen) >= len(encoder.vit.blocks)
    kept = torch.cat([torch.arange(encoder.prefix).expand(2, -1), mask.keep_ids + encoder.prefix], 1)
    expected = features.gather(1, kept[..., None].expand(-1, -1, encoder.width))
    torch.testing.assert_close(dropped, expected, atol=1e-5, rtol=1e-5)
    theirs = gradients(encoder, expected)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(
            ours[name], gradient, atol=1e-6, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("case", GLOBAL.values(), ids=GLOBAL)
def test_the_model_stays_as_it_was_and_nothing_is_made_elsewhere(case: Case):
    """A copy on another device, without numbers: whatever a pass makes is made where its pictures are."""
    encoder, images = opened(case)
    with torch.no_grad():
        encoder.vit(images)  # timm fills its caches of offsets
    before = {name: tensor.clone() for name, tensor in [*encoder.named_parameters(), *encoder.named_buffers()]}
    ids = torch.stack([torch.randperm(encoder.grid.count)[:3] for _ in range(2)])
    kept = encoder.embed(images).gather(1, ids[..., None].expand(-1, -1, encoder.content_width))
    tokens = encoder(kept, ids)
    after = dict([*encoder.named_parameters(), *encoder.named_buffers()])
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    elsewhere = deepcopy(encoder).to("meta")(kept.to("meta"), ids.to("meta"))
    assert elsewhere.shape == tokens.shape == (2, encoder.prefix + 3, encoder.width) and elsewhere.device.type == "meta"


def gradients(encoder: Encoder, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    named = dict(encoder.named_parameters())
    found = torch.autograd.grad(tokens.square().mean(), list(named.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(named, found, strict=True) if gradient is not None}


@pytest.mark.parametrize("name", ["ViT", "DINOv3", "SigLIP", "DeiT, distilled", "RoPE, mixed per head", "NaFlex"])
def test_dropping_patches_is_the_attention_mask_of_timm(name: str):
    """The same with the argument that these families have for it."""
    encoder, images = opened(GLOBAL[name])
    mask = Mask.random(encoder.grid, ratio=0.6, seed=3)
    dropped = encoder(*Drop()(encoder.embed(images), mask.expand(2)))
    allowed = torch.cat([torch.ones(1, encoder.prefix, dtype=torch.bool), ~mask.hidden], 1)[:, None, None]
    allowed = allowed.expand(2, 1, allowed.shape[-1], -1)
    features = encoder.vit.forward_features(images, attn_mask=allowed)
    kept = [*range(encoder.prefix), *(mask.keep_ids[0] + encoder.prefix).tolist()]
    torch.testing.assert_close(dropped, features[:, kept], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "options"), WHOLE.values(), ids=WHOLE)
def test_models_that_need_every_patch(name, options):
    torch.manual_seed(0)
    encoder = mv.encoder(name, **options).eval()
    shaken(encoder.vit)
    images = torch.randn(2, 3, encoder.grid.height, encoder.grid.width)
    content, features = encoder.embed(images), encoder.vit.forward_features(images)
    expected = features.flatten(1, 2) if "swin" in name else features.flatten(2).transpose(1, 2)  # NHWC, NCHW
    assert content.shape == (2, encoder.grid.count, encoder.content_width)
    assert expected.shape == (2, encoder.grid.count, encoder.width) and encoder.prefix == 0
    torch.testing.assert_close(encoder(content), expected, atol=1e-5, rtol=1e-5)
    order = torch.stack([torch.randperm(encoder.grid.count) for _ in range(2)])
    mixed = encoder(content.gather(1, order[..., None].expand_as(content)), order)
    torch.testing.assert_close(mixed, expected.gather(1, order[..., None].expand_as(expected)), atol=1e-5, rtol=1e-5)
    N = encoder.grid.count
    with pytest.raises(
        ValueError, match=rf"{N - 1} of {N} patches are kept, but {encoder.anatomy.family} encodes all or none"
    ):
        encoder(content[:, 1:], torch.arange(1, N).expand(2, -1))
    assert encoder.whole


@pytest.mark.parametrize("name", ["Swin", "Swin v2"])
def test_a_mask_token_hides_whole_cells_of_a_swin(name):
    """SimMIM: a token of the first stage's width stands in for each of its patches below a hidden cell."""
    torch.manual_seed(0)
    encoder = mv.encoder(WHOLE[name][0], **WHOLE[name][1]).eval()
    vit, (rows, cols), fine = shaken(encoder.vit), encoder.grid.shape, 4
    images, token = torch.randn(2, 3, 32, 64), torch.randn(16)
    hidden = Mask.random(encoder.grid, ratio=0.5, seed=0).hidden
    content = encoder.embed(images)
    ours = encoder(torch.where(hidden[..., None], token.repeat(fine * fine), content))
    embedded = vit.patch_embed(images)
    for row, col in torch.nonzero(hidden.reshape(rows, cols)).tolist():
        embedded[:, row * fine : (row + 1) * fine, col * fine : (col + 1) * fine] = token
    torch.testing.assert_close(ours, vit.norm(vit.layers(embedded)).flatten(1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["ResNet", "ConvNeXt v2"])
def test_what_a_conv_net_does_not_see_is_painted_over(name):
    torch.manual_seed(0)
    encoder = mv.encoder(WHOLE[name][0], **WHOLE[name][1]).eval()
    images, hidden = torch.randn(1, 3, 64, 96), Mask.random(encoder.grid, ratio=0.5, seed=0).hidden
    ours = encoder(encoder.embed(images).masked_fill(hidden[..., None], 0.0))
    for row, col in torch.nonzero(hidden.reshape(2, 3)).tolist():
        images[:, :, row * 32 : row * 32 + 32, col * 32 : col * 32 + 32] = 0
    expected = encoder.vit.forward_features(images).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_hiera_drops_mask_units_as_keys_masked_out(monkeypatch):
    """The twin: timm's own unfused pass over the picture with hidden units black, −inf put into the global softmaxes."""
    torch.manual_seed(0)
    encoder = mv.encoder(HIERA[0], **HIERA[1]).eval()
    vit, images = shaken(encoder.vit), torch.randn(2, 3, 64, 96)
    hidden = torch.cat([Mask.random(encoder.grid, ratio=0.5, seed=seed).hidden for seed in (1, 2)])
    ids = Mask(hidden, hidden).keep_ids.flip(1)  # also in another order
    content = encoder.embed(images)
    torch.testing.assert_close(encoder(content), vit.forward_features(images), atol=1e-5, rtol=1e-5)
    dropped = encoder(content.gather(1, ids[..., None].expand(-1, -1, content.shape[-1])), ids)

    softmax, seen = torch.Tensor.softmax, []

    def masked(scores, dim):
        if scores.ndim == 5:  # inside mask units
            return softmax(scores, dim)
        seen.append(scores.shape)
        units = hidden.repeat(1, scores.shape[-1] // 6)  # tokens come unit after unit, place by place
        return softmax(scores.masked_fill(units[:, None, None], float("-inf")), dim)

    for block in vit.blocks:
        block.attn.fused_attn = False
    monkeypatch.setattr(torch.Tensor, "softmax", masked)
    black = encoder.grid.unpatchify(encoder.grid.patchify(images).masked_fill(hidden[..., None], 0.0))
    expected = vit.forward_features(black).gather(1, ids[..., None].expand(-1, -1, encoder.width))
    assert len(seen) == 2
    torch.testing.assert_close(dropped, expected, atol=1e-5, rtol=1e-5)


def test_a_hiera_that_pools_twice_leaves_out_whole_units_only():
    encoder = mv.encoder(HIERA[0], **HIERA[1], q_pool=2).eval()
    images = torch.randn(1, 3, 64, 96)
    content = encoder.embed(images)
    expected = encoder.vit.forward_features(images, return_intermediates=True)[1][-1].flatten(1, 2)  # row by row
    torch.testing.assert_close(encoder(content), expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(
        ValueError, match="23 of 24 patches are kept, but this Hiera leaves out whole mask units of 2 x 2"
    ):
        encoder(content[:, 1:], torch.arange(1, 24)[None])


def test_a_border_that_no_patch_covers_may_be_left_off():
    """timm cuts it; the pictures of a masked model end where the grid does."""
    encoder, images = opened(GLOBAL["SigLIP, a border cut off"])
    covered = images[..., : encoder.grid.height, : encoder.grid.width]
    torch.testing.assert_close(encoder.embed(covered), encoder.embed(images), atol=0, rtol=0)


def test_positions_are_replaced_where_there_is_a_table():
    for name in ("eva02_tiny_patch14_224", "convit_tiny"):
        encoder = mv.encoder(name, positions="sincos", img_size=28, patch_size=14, depth=1, embed_dim=48, num_heads=1)
        torch.testing.assert_close(encoder.vit.pos_embed[:, -4:], mv.vit.sincos(encoder.grid, 48), atol=0, rtol=0)
    with pytest.raises(ValueError, match=r"no table of positions to replace .*relative bias"):
        mv.encoder("beit_base_patch16_224", positions="sincos", **WIDE)
    with pytest.raises(ValueError, match="no table of positions to replace"):
        mv.encoder("resnet18", positions="sincos")


def test_by_name_with_a_size_of_its_own():
    assert mv.encoder("naflexvit_base_patch16_gap", img_size=(32, 64), depth=1).grid == mv.Grid(2, 4, 16)
    assert mv.encoder("resnet18", img_size=64).grid == mv.Grid(2, 2, 32)
    assert mv.encoder("vit_so400m_patch14_siglip_384", depth=1, embed_dim=48, num_heads=3).grid == mv.Grid(27, 27, 14)


def test_keys_of_the_weights_do_not_change():
    """Files of earlier versions hold these names."""
    vit = timm.create_model("vit_tiny_patch16_224", **WIDE)
    assert set(Encoder(vit).state_dict()) == {f"vit.{key}" for key in vit.state_dict()}
