import pytest
import timm
import torch

import mimviz as mv
from mimviz.core import Mask
from mimviz.grammar.how import Drop
from mimviz.vit import Encoder, sincos

TINY = {"img_size": (16, 24), "patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2}
NAMES = {
    "class token": ("vit_tiny_patch16_224", {}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"init_values": 1e-5}),
    "no class token, averaged": ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg"}),
    "norm before": ("vit_base_patch16_clip_224", {}),
}


@pytest.mark.parametrize(("name", "more"), NAMES.values(), ids=NAMES)
def test_nothing_hidden_is_the_plain_encoder(name, more):
    torch.manual_seed(0)
    encoder = mv.encoder(name, **TINY, **more).eval()
    images = torch.randn(2, 3, 16, 24)
    expected = encoder.vit.forward_features(images)
    torch.testing.assert_close(encoder(encoder.embed(images)), expected, atol=1e-6, rtol=1e-5)
    kept = Drop()(encoder.embed(images), Mask.none(encoder.grid).expand(2))
    torch.testing.assert_close(encoder(*kept), expected, atol=1e-6, rtol=1e-5)
    assert encoder.prefix == encoder.vit.num_prefix_tokens
    assert expected.shape == (2, encoder.prefix + encoder.grid.count, encoder.width)


def test_dropping_tokens_is_masking_their_keys():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", **TINY).eval()
    images, mask = torch.randn(1, 3, 16, 24), Mask.random(mv.Grid(4, 6, 4), ratio=0.5, seed=1)
    dropped = encoder(*Drop()(encoder.embed(images), mask))
    allowed = torch.cat([torch.ones(1, 1, dtype=torch.bool), ~mask.hidden], 1)[:, None, None]
    x = encoder.vit._pos_embed(encoder.vit.patch_embed(images))
    for block in encoder.vit.blocks:
        x = block(x, attn_mask=allowed)
    rows = torch.cat([torch.zeros(1, 1, dtype=torch.long), 1 + mask.keep_ids], 1)
    torch.testing.assert_close(dropped, encoder.vit.norm(x)[:, rows[0]], atol=1e-5, rtol=1e-5)


def test_what_is_read_off_the_model():
    encoder = mv.encoder("vit_tiny_patch16_224", **TINY)
    assert (encoder.grid, encoder.width, encoder.prefix) == (mv.Grid(4, 6, 4), 32, 1)
    assert encoder.mean == tuple(encoder.vit.pretrained_cfg["mean"])


def test_fixed_positions_stay_fixed():
    encoder = mv.encoder("vit_tiny_patch16_224", positions="sincos", **TINY)
    assert not encoder.vit.pos_embed.requires_grad
    torch.testing.assert_close(encoder.vit.pos_embed, sincos(encoder.grid, 32, prefix=1))


def test_wrong_models_names_and_pictures_are_refused():
    with pytest.raises(TypeError, match=r"cannot read Xcit: .*channels"):
        Encoder(timm.create_model("xcit_nano_12_p16_224", num_classes=0, depth=1))
    with pytest.raises(ValueError, match=r"no model 'vit_tiny_patch16'.*vit_tiny_patch16_"):
        mv.encoder("vit_tiny_patch16")
    with pytest.raises(ValueError, match=r"timm has no weights 'mea' of vit_base_patch16_224; it has .*mae"):
        mv.encoder("vit_base_patch16_224.mea")
    with pytest.raises(
        FileNotFoundError, match=r"weights of vit_tiny_patch16_224 cannot be fetched .*load_vit says what is here"
    ):
        mv.encoder("vit_tiny_patch16_224", pretrained=True)
    with pytest.raises(ValueError, match="1 channels, but 3"):
        mv.encoder("vit_tiny_patch16_224", in_chans=1, **TINY)
    with pytest.raises(ValueError, match="24 x 16 pixels does not divide into patches of 5"):
        mv.encoder("vit_tiny_patch16_224", img_size=(24, 16), patch_size=5)
    with pytest.raises(ValueError, match="'learned' or 'sincos'"):
        mv.encoder("vit_tiny_patch16_224", positions="rope", **TINY)
    with pytest.raises(ValueError, match=r"\(B, 3, 16, 24\)"):
        mv.encoder("vit_tiny_patch16_224", **TINY).embed(torch.zeros(1, 3, 24, 16))


def test_new_registers_start_apart():
    """Started 1e-6 apart they stay copies of each other through a short training."""
    torch.manual_seed(0)
    made = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, embed_dim=24, num_heads=2, reg_tokens=4)
    registers = made.vit.reg_token[0]
    similarity = torch.nn.functional.cosine_similarity(registers[:, None], registers[None], dim=-1)
    assert registers.std() > 0.01
    assert (similarity - torch.eye(4)).abs().max() < 0.9
