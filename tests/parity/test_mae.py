"""recipes.mae against transformers.ViTMAEForPreTraining on the same weights, pictures and noise."""

import pytest
import torch
from hugging_face import blocks, vit
from transformers import ViTMAEConfig, ViTMAEForPreTraining

import mimviz as mv
from mimviz.core import Mask
from mimviz.vit import sincos

SIZES = {"square": (32, 32), "wide": (24, 48)}


def pair(normalize: bool, size: tuple[int, int]):
    torch.manual_seed(0)
    config = ViTMAEConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=32, patch_size=8,
        decoder_hidden_size=16, decoder_num_hidden_layers=2, decoder_num_attention_heads=2, decoder_intermediate_size=64,
        norm_pix_loss=normalize, layer_norm_eps=1e-6, initializer_range=0.2, mask_ratio=0.75,
    )  # fmt: skip
    theirs = ViTMAEForPreTraining(config).eval()
    for parameter in theirs.parameters():  # also what starts at zero or one has to be in its place
        parameter.data += 0.05 * torch.randn_like(parameter)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=size, patch_size=8, embed_dim=32, depth=2, num_heads=4)
    ours = mv.recipes.mae(encoder, normalize=normalize, dim=16, depth=2, heads=2).eval()
    state = theirs.state_dict()
    mine = (
        vit(state)
        | blocks(state, "decoder.decoder_layers", "decoder.blocks")
        | {"decoder.token": state["decoder.mask_token"]}
    )
    for kind in ("weight", "bias"):
        for name, hf in (("embed", "decoder_embed"), ("norm", "decoder_norm"), ("head", "decoder_pred")):
            mine[f"decoder.{name}.{kind}"] = state[f"decoder.{hf}.{kind}"]
    tokens = torch.zeros(
        1, ours.grid.count + 1, 32
    )  # the oracle stretches its square table of positions to other shapes
    mine["encoder.vit.pos_embed"] = theirs.vit.embeddings.interpolate_pos_encoding(tokens, *size)
    ours.load_state_dict(mine)
    ours.decoder.positions.copy_(theirs.decoder.interpolate_pos_encoding(tokens))
    return theirs, ours


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("normalize", [True, False], ids=["norm-pix", "pixels"])
def test_loss_prediction_and_mask_are_equal(normalize, size):
    theirs, ours = pair(normalize, size)
    images = torch.randn(3, 3, *size)
    noise = torch.rand(3, ours.grid.count)
    mask = Mask.from_noise(noise, ratio=0.75, shape=ours.grid.shape)
    with torch.no_grad():
        a, b = theirs(images, noise=noise, interpolate_pos_encoding=True), ours(images, mask)
    assert torch.equal(a.mask.bool(), mask.hidden)
    torch.testing.assert_close(b.guess, a.logits, atol=1e-5, rtol=1e-5)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)


def test_a_painted_mask_reaches_hugging_face_through_its_noise():
    theirs, ours = pair(False, (32, 32))
    images = torch.randn(1, 3, 32, 32)
    painted = Mask.random(ours.grid, ratio=0.75, seed=5)
    with torch.no_grad():
        a, b = theirs(images, noise=painted.noise()), ours(images, painted)
    assert torch.equal(a.mask.bool(), painted.hidden)
    torch.testing.assert_close(b.guess, a.logits, atol=1e-5, rtol=1e-5)


def test_fixed_positions_are_mae_s():
    theirs, ours = pair(False, (32, 32))
    fresh = ViTMAEForPreTraining(theirs.config)
    fresh.vit.embeddings.patch_embeddings.projection._is_hf_initialized = False
    fresh.vit.embeddings.initialize_weights()
    torch.testing.assert_close(
        sincos(ours.grid, 32, prefix=1), fresh.vit.embeddings.position_embeddings, atol=1e-6, rtol=0
    )
