"""A masked model looked at while patches are hidden: maps lie where their patches lie, and the decoder has a trace of its own."""

import pytest
import timm
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.vit import Encoder, Scene, edited

TINY = {"img_size": (16, 24), "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
SMALL = {"dim": 16, "depth": 2}
GRID = mv.Grid(4, 6, 4)


def masks():
    return Mask(torch.stack([Mask.random(GRID, ratio=0.5, seed=seed).hidden[0] for seed in (0, 1)]))


@pytest.fixture
def mim():
    torch.manual_seed(0)
    return mv.recipes.mae(mv.encoder("vit_tiny_patch16_224", **TINY), ratio=0.5, **SMALL)


@pytest.fixture
def images():
    return torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def test_maps_are_put_back_to_the_places_of_their_patches(mim, images):
    mask = masks()
    scene = Scene(mim, images, mask=mask)
    trace = scene.trace
    assert torch.equal(trace.ids, mask.keep_ids) and torch.equal(trace.hidden, mask.hidden)
    assert trace.certificate.exact
    whole, compact = trace.attention[0], trace.layers[0].mixing.weights()
    assert whole.shape == (2, 2, 25, 25) and compact.shape == (2, 2, 13, 13)
    gone = torch.cat([torch.zeros(2, 1, dtype=torch.bool), mask.hidden], 1)
    expected = (gone[:, None, :, None] | gone[:, None, None, :]).expand_as(whole)
    assert torch.equal(whole.isnan(), expected)
    for picture in range(2):
        places = [0, *(1 + mask.keep_ids[picture]).tolist()]
        for i, row in enumerate(places):
            for j, col in enumerate(places):
                assert torch.equal(whole[picture, :, row, col], compact[picture, :, i, j])
    torch.testing.assert_close(trace.rows(0, torch.tensor([0, 3])), whole[:, :, [0, 3]], equal_nan=True)
    tokens = trace.tokens[1]
    assert torch.equal(tokens.isnan().all(-1), gone) and trace.maps(1).shape == (2, 24, 4, 6)


def test_hiding_patches_is_masking_their_keys(mim, images):
    """The visible part of every map is that of the whole sequence with hidden keys at −∞."""
    mask = masks()
    scene = Scene(mim, images, mask=mask)
    vit = mim.encoder.vit.eval()
    allowed = torch.cat([torch.ones(2, 1, dtype=torch.bool), ~mask.hidden], 1)
    x = vit._pos_embed(vit.patch_embed(images))
    for index, block in enumerate(vit.blocks):
        q, k, _ = block.attn.qkv(block.norm1(x)).reshape(2, 25, 3, 2, 12).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) / 12**0.5).masked_fill(~allowed[:, None, None], float("-inf"))
        got = scene.trace.attention[index]
        expected = scores.softmax(-1).detach()
        torch.testing.assert_close(torch.where(got.isnan(), expected, got), expected, atol=1e-6, rtol=1e-5)
        x = block(x, attn_mask=allowed[:, None, None])


def test_the_decoder_has_a_trace_of_its_own_over_all_patches(mim, images):
    scene = Scene(mim, images, mask=masks())
    decoder = scene.decoder_trace
    assert len(decoder.layers) == 2 and decoder.attention[0].shape == (2, 1, 25, 25)
    assert decoder.certificate.exact and decoder.ids is None and torch.equal(decoder.hidden, scene.trace.hidden)
    torch.testing.assert_close(decoder.attention[1].sum(-1), torch.ones(decoder.attention[1].shape[:3]))
    assert decoder.maps(0).shape == (2, 16, 4, 6)
    assert decoder.attention_grad[0].abs().sum() > 0


def test_the_gradient_is_that_of_each_pictures_loss(mim, images):
    mask = masks()
    scene = Scene(mim, images, mask=mask)
    outcome = mim(images, mask)
    expected = (outcome.patch_loss * mask.predict).sum(1) / mask.predict.sum(1)
    torch.testing.assert_close(scene.score(images), expected)
    grad = scene.trace.attention_grad[0]
    assert torch.equal(grad.isnan(), scene.trace.attention[0].isnan())
    assert scene.image_grad.abs().sum() > 0
    one = Scene(mim, images, mask=mask, target=lambda outcome: outcome.guess[:, 3].sum(-1))
    assert not torch.equal(one.trace.attention_grad[0].nan_to_num(), grad.nan_to_num())


def test_a_mask_that_is_drawn_stays_the_same(mim, images):
    scene = Scene(mim, images)
    hidden = scene.trace.hidden
    assert hidden is not None and int(hidden.sum()) == 24
    assert torch.equal(scene.score(images), scene.score(images)) and scene.trace.attention_grad[0].shape == (
        2,
        2,
        25,
        25,
    )
    assert torch.equal(scene.subject.mask.hidden, hidden)


def test_models_with_a_mask_token_see_all_patches(images):
    torch.manual_seed(0)
    simmim = mv.recipes.simmim(mv.encoder("vit_tiny_patch16_224", **TINY))
    scene = Scene(simmim, images, mask=masks())
    assert scene.trace.ids is None and torch.equal(scene.trace.hidden, masks().hidden)
    assert scene.trace.attention[0].shape == (2, 2, 25, 25) and torch.isfinite(scene.trace.attention[0]).all()
    with pytest.raises(ValueError, match="Linear has no layers of attention"):
        _ = scene.decoder_trace


def test_where_tokens_are_mixed_outside_the_modules_it_is_said(images):
    torch.manual_seed(0)
    mim = mv.recipes.mae(mv.encoder("beit_base_patch16_224", **TINY), ratio=0.5, **SMALL)
    scene = Scene(mim, images, mask=masks())
    with pytest.raises(ValueError, match=r"no attention module of this Beit ran in the pass.*relative positions"):
        _ = scene.trace.attention[0]
    assert scene.decoder_trace.certificate.exact
    with pytest.raises(ValueError, match="no block"):
        scene.trace.maps(0)


def test_encoders_hide_patches_too(images):
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0, **TINY)
    encoder = Encoder(vit)
    plain, hidden = Scene(encoder, images), Scene(encoder, images, mask=masks())
    torch.testing.assert_close(plain.trace.attention[1], Scene(vit, images).trace.attention[1])
    assert plain.trace.ids is None and hidden.trace.attention[1].isnan().any()
    with pytest.raises(ValueError, match="Encoder has no decoder"):
        _ = plain.decoder_trace


def test_one_mask_for_all_pictures_and_truth_values_are_taken(mim, images):
    rows = torch.zeros(4, 6, dtype=torch.bool)
    rows[0] = True
    scene = Scene(mim, images, mask=rows.numpy())
    assert scene.trace.hidden.shape == (2, 24) and int(scene.trace.hidden.sum()) == 12
    pictured = Scene(mim, mv.image("cat") if "cat" in mv.images() else mv.images()[0], mask=rows)
    assert pictured.trace.attention[0].shape == (1, 2, 25, 25)


def test_masks_that_do_not_fit_are_refused(mim, images):
    with pytest.raises(ValueError, match="4 x 4"):
        Scene(mim, images, mask=Mask.random(mv.Grid(4, 4, 4)))
    with pytest.raises(ValueError, match="VisionTransformer sees whole pictures"):
        Scene(timm.create_model("vit_tiny_patch16_224", **TINY), images, mask=masks())


def test_edits_reach_the_encoder_of_a_masked_model(mim, images):
    mask = masks()
    plain = Scene(mim, images, mask=mask)
    with edited(mim, heads={0: [1]}):
        other = Scene(mim, images, mask=mask)
        assert not other.trace.attention[0][:, 1].nansum() and other.trace.certificate.exact
    assert not torch.equal(other.trace.logits.guess, plain.trace.logits.guess)
    torch.testing.assert_close(Scene(mim, images, mask=mask).trace.logits.guess, plain.trace.logits.guess)
