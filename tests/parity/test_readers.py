"""load_mim against the public implementations: random weights, saved as they save them, opened by mimviz, the same numbers."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BeitConfig,
    BeitForMaskedImageModeling,
    SwinConfig,
    SwinForMaskedImageModeling,
    ViTConfig,
    ViTForMaskedImageModeling,
    ViTMAEConfig,
    ViTMAEForPreTraining,
)

import mimviz as mv
from mimviz.core import Mask
from mimviz.zoo import load_encoder

close = {"atol": 1e-5, "rtol": 1e-5}


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Random weights everywhere, also in what starts at zero or one."""
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def saved(model, folder, names: str):
    """As transformers saves it today; with the names that it gives the parameters in memory; as a pickle of older versions."""
    model.save_pretrained(folder)
    if names == "in memory":
        (folder / "model.safetensors").unlink()
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    if names == "transformers 4":
        today = load_file(folder / "model.safetensors")
        older = {k.replace("decoder_encoder.layer.", "decoder_layers."): v for k, v in today.items()}
        (folder / "model.safetensors").unlink()
        torch.save(older, folder / "pytorch_model.bin")
    return folder


every_name = pytest.mark.parametrize("names", ["as saved", "in memory", "transformers 4"])
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "patch_size": 8}


@every_name
@pytest.mark.parametrize("normalize", [True, False], ids=["norm-pix", "pixels"])
def test_hugging_face_mae(tmp_path, names, normalize):
    torch.manual_seed(0)
    theirs = shaken(ViTMAEForPreTraining(ViTMAEConfig(
        **SMALL, image_size=32, decoder_hidden_size=16, decoder_num_hidden_layers=2, decoder_num_attention_heads=2,
        decoder_intermediate_size=64, norm_pix_loss=normalize, mask_ratio=0.6, layer_norm_eps=1e-3,
    )))  # fmt: skip
    ours = mv.load_mim(saved(theirs, tmp_path, names))
    images, noise = torch.randn(3, 3, 32, 32), torch.rand(3, 16)
    mask = Mask.from_noise(noise, ratio=0.6, shape=(4, 4))
    with torch.no_grad():
        a, b = theirs(images, noise=noise), ours(images, mask)
        kept = ours.encoder(*ours.how(ours.encoder.embed(images), mask))
        theirs_kept = _sorted(theirs.vit(images, noise=noise))
    assert torch.equal(a.mask.bool(), mask.hidden)
    torch.testing.assert_close(kept, theirs_kept, **close)
    torch.testing.assert_close(b.guess, a.logits, **close)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)
    assert ours.normalized == normalize and ours.found.target == ("normalized patches" if normalize else "pixels")
    assert ours.where.ratio == 0.6 and ours.encoder.mean == pytest.approx((0.485, 0.456, 0.406))
    assert (ours.found.encoder.heads, ours.found.decoder.heads, ours.found.grid) == (4, 2, mv.Grid(4, 4, 8))


def _sorted(features):
    """The class token, then the kept patches in the order of their numbers; theirs keeps them in the order of the noise."""
    front, kept = features.last_hidden_state[:, :1], features.last_hidden_state[:, 1:]
    ids = features.ids_restore.argsort(1)[:, : kept.shape[1]]
    return torch.cat([front, kept.gather(1, ids.argsort(1)[..., None].expand_as(kept))], 1)


@every_name
def test_hugging_face_masked_image_modeling(tmp_path, names):
    torch.manual_seed(0)
    config = ViTConfig(**SMALL, image_size=32, encoder_stride=8, layer_norm_eps=1e-3)
    theirs = shaken(ViTForMaskedImageModeling(config))
    ours = mv.load_mim(saved(theirs, tmp_path, names))
    images = torch.randn(2, 3, 32, 32)
    mask = Mask.random(ours.grid, ratio=0.5, batch=2)
    with torch.no_grad():
        a, b = theirs(images, bool_masked_pos=mask.bool_masked_pos), ours(images, mask)
        features = theirs.vit(images, bool_masked_pos=mask.bool_masked_pos).last_hidden_state
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)
    torch.testing.assert_close(ours.grid.unpatchify(b.guess), a.reconstruction, **close)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)
    assert ours.encoder.mean == (0.5, 0.5, 0.5) and any("preprocessor_config.json" in text for text in ours.found.assumed)


@every_name
@pytest.mark.parametrize("kind", ["shared", "per block", "table"])
def test_hugging_face_beit(tmp_path, names, kind):
    torch.manual_seed(0)
    theirs = shaken(BeitForMaskedImageModeling(BeitConfig(
        **SMALL, image_size=32, vocab_size=20, use_mask_token=True, layer_norm_eps=1e-3,
        use_shared_relative_position_bias=kind == "shared", use_relative_position_bias=kind == "per block",
        use_absolute_position_embeddings=kind == "table",
    )))  # fmt: skip
    ours = mv.load_mim(saved(theirs, tmp_path, names))
    images = torch.randn(2, 3, 32, 32)
    mask = Mask.random(ours.grid, ratio=0.5, batch=2)
    codes = torch.randint(20, (2, 16, 1))
    with torch.no_grad():
        a = theirs(images, bool_masked_pos=mask.bool_masked_pos, labels=codes[mask.hidden].flatten())
        ours.target = lambda images, mask: codes  # the tokenizer
        b = ours(images, mask)
        features = theirs.layernorm(theirs.beit(images, bool_masked_pos=mask.bool_masked_pos).last_hidden_state)
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)
    torch.testing.assert_close(b.guess, a.logits, **close)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)
    with pytest.raises(ValueError, match="predicts no pixels"):
        _ = b.picture


@every_name
def test_hugging_face_swin(tmp_path, names):
    torch.manual_seed(0)
    theirs = shaken(SwinForMaskedImageModeling(SwinConfig(
        embed_dim=8, depths=[2, 2, 1], num_heads=[1, 2, 4], window_size=4, image_size=64, patch_size=4, encoder_stride=16,
    )))  # fmt: skip
    ours = mv.load_mim(saved(theirs, tmp_path, names))
    assert ours.grid == mv.Grid(4, 4, 16) and ours.found.encoder.depth == 5
    images = torch.randn(2, 3, 64, 64)
    mask = Mask.random(ours.grid, ratio=0.5, batch=2)
    fine = mask.hidden.reshape(2, 4, 4).repeat_interleave(4, 1).repeat_interleave(4, 2).flatten(1)
    with torch.no_grad():
        a, b = theirs(images, bool_masked_pos=fine), ours(images, mask)
        features = theirs.swin(images, bool_masked_pos=fine).last_hidden_state
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)
    torch.testing.assert_close(ours.grid.unpatchify(b.guess), a.reconstruction, **close)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)


def test_preprocessor_and_sizes_of_a_picture_that_is_not_square(tmp_path):
    torch.manual_seed(0)
    theirs = shaken(ViTForMaskedImageModeling(ViTConfig(**SMALL, image_size=[24, 40], encoder_stride=8)))
    saved(theirs, tmp_path, "as saved")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}))
    ours = mv.load_mim(tmp_path)
    assert ours.grid == mv.Grid(3, 5, 8) and ours.encoder.mean == (0.1, 0.2, 0.3) and ours.found.assumed == ()
    images = torch.randn(1, 3, 24, 40)
    mask = Mask.random(ours.grid, ratio=0.5)
    with torch.no_grad():
        features = theirs.vit(images, bool_masked_pos=mask.bool_masked_pos).last_hidden_state
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)


def test_a_model_in_shards(tmp_path):
    torch.manual_seed(0)
    theirs = shaken(ViTForMaskedImageModeling(ViTConfig(**SMALL, image_size=32, encoder_stride=8)))
    theirs.save_pretrained(tmp_path, max_shard_size="40KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    ours = mv.load_mim(tmp_path)
    images, mask = torch.randn(1, 3, 32, 32), Mask.random(ours.grid, ratio=0.5)
    with torch.no_grad():
        expected = theirs(images, bool_masked_pos=mask.bool_masked_pos).reconstruction
        torch.testing.assert_close(ours.grid.unpatchify(ours(images, mask).guess), expected, **close)
    next(tmp_path.glob("model-*.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match="was it downloaded whole"):
        mv.load_mim(tmp_path)


TIMM = {
    "mae": ("vit_base_patch16_224", {"num_classes": 0}),
    "fine-tuned": ("vit_base_patch16_224", {"global_pool": "avg", "num_classes": 5}),
    "registers and layer scale": ("vit_small_patch14_reg4_dinov2", {"num_classes": 0}),
    "no class token": ("vit_base_patch16_224", {"class_token": False, "global_pool": "avg", "fc_norm": False}),
    "BEiT": ("beit_base_patch16_224", {"num_classes": 5}),
}


@pytest.mark.parametrize(("name", "options"), TIMM.values(), ids=TIMM)
def test_encoders_of_timm(tmp_path, name, options):
    torch.manual_seed(0)
    theirs = shaken(timm.create_model(name, img_size=32, patch_size=8, embed_dim=64, depth=2, num_heads=4, **options))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="cannot reconstruct"):
        mv.load_mim(tmp_path, heads=4)
    ours, images = load_encoder(tmp_path, heads=4), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(ours.embed(images)), theirs.forward_features(images), **close)
        torch.testing.assert_close(ours.vit(images), theirs(images), **close)
