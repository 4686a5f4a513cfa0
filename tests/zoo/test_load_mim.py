"""load_mim: what it says of a file, what it refuses and which file it sends you to instead."""

import argparse
import json
import os
import random

import published
import pytest
import timm
import torch
from safetensors.torch import save_file
from transformers import (
    BeitConfig,
    BeitForMaskedImageModeling,
    SwinConfig,
    SwinForMaskedImageModeling,
    ViTConfig,
    ViTForMaskedImageModeling,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTMAEModel,
    ViTModel,
)

import mimviz as mv
from mimviz.zoo import save_vit
from mimviz.zoo.load import inspect, load_encoder

STATE = published.mae(width=64, depth=1, dim=32, decoder_depth=1)
HF = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
HF |= {"image_size": 32, "patch_size": 8}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def written(path, state=None, **beside):
    torch.save({"model": STATE if state is None else state, **beside}, path)
    return path


# --- what is predicted ---


@pytest.mark.parametrize(
    ("name", "target", "gan"),
    [
        ("mae_visualize_vit_base.pth", "pixels", False),
        ("mae_visualize_vit_huge.pth", "pixels", False),
        ("mae_visualize_vit_large_ganloss.pth", "pixels", True),
        ("mae_pretrain_vit_large_full.pth", "normalized patches", False),
    ],
)
def test_published_names_tell_the_target(tmp_path, name, target, gan):
    model = mv.load_mim(written(tmp_path / name), heads=4)
    assert (model.found.target, model.found.gan, model.name) == (target, gan, name[:-4])
    assert model.normalized == (target == "normalized patches")
    assert "the target, from the published name" in str(model.found) and str(model.found) == model.card["found"]


@pytest.mark.parametrize("normalize", [True, False])
def test_the_options_of_a_training_tell_the_target(tmp_path, normalize):
    args = argparse.Namespace(norm_pix_loss=normalize, input_size=32, model="mae_vit_base_patch16")
    model = mv.load_mim(written(tmp_path / "checkpoint-799.pth", args=args, epoch=799), heads=4)
    assert model.normalized == normalize and model.found.gan is None


def test_where_nothing_tells_the_target_one_has_to_say_it(tmp_path):
    path = written(tmp_path / "renamed.pth")
    with pytest.raises(ValueError, match=r"(?s)do not say whether.*normalize=False.*normalize=True.*Found: renamed\.pth"):
        mv.load_mim(path, heads=4)
    assert inspect(path).target == "unknown"
    for normalize in (True, False):
        model = mv.load_mim(path, normalize=normalize, heads=4)
        assert model.normalized == normalize and "from normalize=" in model.found.assumed[0]


# --- what is found ---


def test_sizes_come_from_the_shapes(tmp_path):
    state = published.mae(width=192, depth=3, patch=4, side=5, dim=96, decoder_depth=2) | {"head.weight": torch.zeros(5, 192)}
    model = mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth", state))
    found = model.found
    assert found.grid == mv.Grid(5, 5, 4) and (found.encoder.width, found.encoder.depth, found.encoder.heads) == (192, 3, 3)
    assert (found.decoder.width, found.decoder.depth, found.decoder.heads, found.decoder.hidden) == (96, 2, 3, 384)
    assert found.ignored == ("head.weight",)
    said = repr(found)
    for part in ("20 x 20 pixels in 5 x 5 patches of 4", "width 192, 3 blocks, 3 heads", "predicts: pixels", "head.weight"):
        assert part in said
    assert any("a fused qkv does not show them" in text for text in found.assumed)


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (1280, 16)])
def test_heads_of_published_widths(tmp_path, width, heads):
    """ViT-Huge has 16 heads of 80 channels, not 20 of 64."""
    state = published.mae(width=width, depth=1, dim=32, decoder_depth=1)
    assert inspect(written(tmp_path / "x.pth", state)).encoder.heads == heads


def test_own_files_are_described_in_the_same_words():
    model = mv.load_mim("tiny")
    assert model.found == inspect("tiny") and model.found.target == "pixels" and model.found.encoder.width == model.encoder.width


def test_an_own_classifier_is_told_from_a_masked_model(tmp_path):
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, num_classes=2)
    file, options = tmp_path / "c.safetensors", {"img_size": 32, "patch_size": 8, "depth": 1, "num_classes": 2}
    save_vit(file, vit, "vit_tiny_patch16_224", options, classes=["a", "b"], card={})
    found = inspect(file)
    assert found.format == "mimviz's own classifier" and "mimviz.load_vit opens it" in found.obstacle
    assert load_encoder(file).grid == mv.Grid(4, 4, 8)


def test_what_is_said_goes_before_what_the_file_says(tmp_path):
    """Converted files carry the configuration's default, whatever they were trained with."""
    config = ViTMAEConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, image_size=32,
        patch_size=8, decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=64)  # fmt: skip
    ViTMAEForPreTraining(config).save_pretrained(tmp_path)
    model = mv.load_mim(tmp_path, normalize=True, heads=2, decoder_heads=4)
    assert model.normalized and model.found.encoder.heads == 2 and model.found.decoder.heads == 4
    assert "against config.json (norm_pix_loss=False)" in str(model.found)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="do not say whether"):
        mv.load_mim(tmp_path, heads=4)
    assert not mv.load_mim(tmp_path, normalize=False, heads=4, decoder_heads=2).normalized


def test_it_moves_to_a_device(tmp_path):
    model = mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth"), heads=4, device="meta")
    assert model.device.type == "meta"


def test_it_can_be_looked_at(tmp_path):
    model = mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth"), heads=4)
    assert model.reconstruct("astronaut").picture.array.shape == (32, 32, 3) and not model.training


# --- encoders without a decoder ---


@pytest.mark.parametrize(("width", "size"), [(768, "base"), (1024, "large"), (1280, "huge")])
def test_an_official_encoder_names_the_file_to_get(tmp_path, width, size):
    path = written(tmp_path / f"mae_pretrain_vit_{size}.pth", published.mae(width=width, depth=1, decoder=False))
    with pytest.raises(ValueError) as caught:
        mv.load_mim(path)
    said = str(caught.value)
    assert "an encoder without a decoder, so it cannot reconstruct" in said and "mimviz.zoo.load_encoder opens the encoder" in said
    assert f"'facebook/vit-mae-{size}'" in said and f"mae_visualize_vit_{size}.pth" in said and "decoder: none" in said


def test_timm_encoders(tmp_path):
    with pytest.raises(ValueError, match=r"'vit_base_patch16_224\.mae' is a model of timm.*facebook/vit-mae-base"):
        mv.load_mim("vit_base_patch16_224.mae")
    for name, options, said in (
        ("vit_tiny_patch16_224", {"img_size": 32, "depth": 1}, "ViT encoder"),
        ("hiera_tiny_224", {}, "Hiera encoder"),
        ("convnextv2_atto", {}, "ConvNeXt encoder"),
        ("resnet10t", {}, "ResNet encoder"),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}, "Swin encoder"),
    ):
        save_file(timm.create_model(name, **options).state_dict(), tmp_path / "model.safetensors")
        opens = "load_encoder" if said == "ViT encoder" else r"load_vit\(path, architecture="
        with pytest.raises(ValueError, match=rf"cannot reconstruct.*{opens}.*{said}"):
            mv.load_mim(tmp_path)


@pytest.mark.parametrize("kind", ["mae", "vit"])
def test_hugging_face_encoders(tmp_path, kind):
    model = ViTMAEModel(ViTMAEConfig(**HF)) if kind == "mae" else ViTModel(ViTConfig(**HF))
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"without a decoder.*Found: .*encoder: width 32, 1 blocks, 4 heads, MLP of 64"):
        mv.load_mim(tmp_path)
    images = torch.randn(1, 3, 32, 32)
    made = load_encoder(tmp_path)
    with torch.no_grad():
        noise = {"noise": torch.arange(16.0)[None]} if kind == "mae" else {}
        model.config.mask_ratio = 0.0
        expected = model.eval()(images, **noise).last_hidden_state
        torch.testing.assert_close(made(made.embed(images)), expected, atol=1e-5, rtol=1e-5)


def test_a_fine_tuned_beit_has_an_encoder_too(tmp_path):
    small = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 5}
    theirs = timm.create_model("beit_base_patch16_224", **small)
    save_file(theirs.state_dict(), tmp_path / "beit.safetensors")
    made, images = load_encoder(tmp_path / "beit.safetensors"), torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(made.vit(images), theirs.eval()(images), atol=1e-5, rtol=1e-5)


# --- what has a reason of its own ---


def test_beit_says_why_there_is_no_picture(tmp_path):
    model = mv.load_mim(written(tmp_path / "beit.pth", published.beit("shared")))
    with pytest.raises(ValueError, match=r"which of 20 codes each hidden patch has, not its pixels"):
        model.reconstruct("astronaut")


def test_swin_v2_is_refused_by_name(tmp_path):
    state = {"encoder.layers.0.blocks.0.attn.qkv.weight": torch.zeros(1), "decoder.0.weight": torch.zeros(1)}
    path = written(tmp_path / "swin.pth", state | {"encoder.layers.0.blocks.0.attn.logit_scale": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"logit_scale: Swin v2"):
        mv.load_mim(path)


# --- damaged and odd files ---

BIAS, VIT = "norm.bias", r"encoder\.vit\."
SOME = {k: v for k, v in published.mae(width=64, depth=3).items() if not k.startswith("blocks.1.")}
CHANGES = {
    "a block is missing": (SOME, r"has the blocks \[0, 2\]"),
    "a tensor is missing": ({k: v for k, v in STATE.items() if k != BIAS}, rf"misses {VIT}norm\.bias"),
    "positions are missing": ({k: v for k, v in STATE.items() if k != "pos_embed"}, r"misses pos_embed"),
    "a tensor too many": (STATE | {"blocks.0.attn.sink": torch.ones(64)}, rf"does not want, {VIT}blocks\.0\.attn\.sink"),
    "a wrong shape": (STATE | {"blocks.0.attn.proj.weight": torch.ones(64, 65)}, r"attn\.proj\.weight has shape \(64, 65\)"),
    "a wrong number of axes": (STATE | {"blocks.0.norm1.weight": torch.ones(64, 1)}, r"shape \(64, 1\), but 1 axes"),
    "other patches in the decoder": (STATE | {"decoder_pred.weight": torch.ones(48, 32)}, r"predicts 48 numbers for a patch"),
    "NaN": (STATE | {BIAS: torch.full((64,), torch.nan)}, rf"64 of 64 values of {VIT}norm\.bias are NaN"),
    "infinity": (STATE | {"mask_token": torch.full((1, 1, 32), torch.inf)}, r"32 of 32 values of decoder\.token are NaN or"),
    "whole numbers": (STATE | {BIAS: torch.zeros(64, dtype=torch.int8)}, r"torch\.int8.*quantized"),
    "no square": (STATE | {"pos_embed": torch.zeros(1, 13, 64)}, r"positions for 12 patches, which make no square"),
    "no patch": (STATE | {"pos_embed": torch.zeros(1, 1, 64)}, r"positions for 0 patches"),
    "grey pictures": (STATE | {"patch_embed.proj.weight": torch.ones(64, 1, 8, 8)}, r"1 channels"),
    "decoder positions": (STATE | {"decoder_pos_embed": torch.zeros(1, 18, 32)}, r"decoder's positions have shape"),
    "nothing known": ({"a": torch.zeros(1)}, r"of no layout that mimviz knows"),
}  # fmt: skip


@pytest.mark.parametrize(("state", "message"), CHANGES.values(), ids=CHANGES)
def test_damaged_files(tmp_path, state, message):
    with pytest.raises(ValueError, match=message):
        mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth", state), heads=4)


def test_heads_that_do_not_divide(tmp_path):
    with pytest.raises(ValueError, match=r"width 64, which 7 heads do not divide: .*heads=…"):
        mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth"), heads=7)


def test_an_image_size_that_cannot_be(tmp_path):
    args = argparse.Namespace(norm_pix_loss=True, input_size=48)
    with pytest.raises(ValueError, match=r"positions for 16 patches, but its configuration speaks of 36"):
        mv.load_mim(written(tmp_path / "m.pth", args=args), heads=4)


def test_half_precision_is_opened(tmp_path):
    half = {k: v.half() for k, v in STATE.items()}
    model = mv.load_mim(written(tmp_path / "mae_visualize_vit_base.pth", half), heads=4)
    assert model.dtype == torch.float32


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_checkpoint_runs(tmp_path):
    written(tmp_path / "evil.pth", args=Evil(tmp_path / "made"))
    with pytest.raises(ValueError, match=r"would run code when opened: it needs \w+\.mkdir"):
        mv.load_mim(tmp_path / "evil.pth", heads=4)
    assert not (tmp_path / "made").exists()


# --- names ---


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache with one masked autoencoder in it."""
    folder = tmp_path / "models--someone--mae"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    save_file(STATE, folder / "snapshots" / COMMIT / "mae_visualize_vit_base.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(tmp_path), raising=False)


@pytest.mark.parametrize("name", ["someone/mae", "hf-hub:someone/mae", f"someone/mae@{COMMIT}"])
def test_a_cached_model_opens_by_its_id(cache, name):
    model = mv.load_mim(name, heads=4)
    assert model.found.file == name and model.found.target == "pixels"


@pytest.mark.parametrize("name", ["someone/else", "runs/mine"])
def test_a_name_that_is_nowhere(cache, name):
    message = rf"'{name}' is no file or folder here, and .*HF_HUB_OFFLINE.*Bundled: tiny.*someone/mae"
    with pytest.raises(FileNotFoundError, match=message):
        mv.load_mim(name)


@pytest.mark.parametrize("name", ["runs/model.safetensors", "./nothing", "nonsense"])
def test_a_path_that_is_nowhere(cache, name):
    with pytest.raises(FileNotFoundError, match=r"neither a bundled model nor a file.*Bundled: tiny.*someone/mae"):
        mv.load_mim(name)


def test_a_folder_with_a_configuration_of_another_kind(tmp_path):
    save_file(STATE, tmp_path / "mae_visualize_vit_base.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "vit_base_patch16_224", "num_classes": 0}))
    assert mv.load_mim(tmp_path, heads=4).found.target == "pixels"


# --- anything at all ---

FILES = {
    "mae": (STATE, {}),
    "mae encoder": (published.mae(width=64, depth=1, decoder=False), {}),
    "simmim": (published.simmim("shared", depth=1), {}),
    "beit": (published.beit("per block", depth=1), {}),
    "hugging face mae": (ViTMAEForPreTraining(ViTMAEConfig(**HF, decoder_hidden_size=16, decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2, decoder_intermediate_size=64)).state_dict(), {"image_size": 32, "norm_pix_loss": False}),
    "hugging face mim": (ViTForMaskedImageModeling(ViTConfig(**HF, encoder_stride=8)).state_dict(), {"num_attention_heads": 4}),
    "hugging face beit": (BeitForMaskedImageModeling(BeitConfig(**HF, use_mask_token=True, vocab_size=9)).state_dict(), {}),
    "hugging face swin": (SwinForMaskedImageModeling(SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4,
        image_size=32, patch_size=4, encoder_stride=8)).state_dict(), {"image_size": 32}),
}  # fmt: skip
NONSENSE = (None, -1, 0, 7, 1e9, "x", [], {}, [1, 2, 3], True)


@pytest.mark.parametrize("name", FILES)
def test_what_is_changed_at_random_is_refused_in_words(tmp_path, name):
    """A tensor lost, of another shape or kind, a configuration that says nonsense: an error that names the file, or a model."""
    state, config = FILES[name]
    draw = random.Random(0)
    for attempt in range(40):
        changed, key = dict(state), draw.choice(list(state))
        kind = draw.choice(["lost", "shape", "axes", "kind", "config"])
        if kind == "lost":
            del changed[key]
        elif kind == "shape":
            changed[key] = torch.zeros([draw.choice([0, 1, 2, s + 1, s * 2]) for s in state[key].shape])
        elif kind == "axes":
            changed[key] = draw.choice([state[key][None], torch.zeros(())])
        elif kind == "kind":
            changed[key] = draw.choice([state[key].int(), state[key] * torch.nan, state[key] > 0])
        word = draw.choice(["image_size", "norm_pix_loss", "num_attention_heads", "mask_ratio", "layer_norm_eps", "hidden_act"])
        told = {**config, word: draw.choice(NONSENSE)} if kind == "config" else config
        folder = tmp_path / str(attempt)
        folder.mkdir()
        torch.save(changed, folder / "file.pth")
        (folder / "config.json").write_text(json.dumps(told))
        said = ""
        try:
            mv.load_mim(folder, normalize=False, heads=None if "num_attention_heads" in told else 4)
        except ValueError as err:
            said = str(err)
        harmless = kind == "config" or "position" in key  # what is not read, or has a default
        assert "file.pth" in said if said else harmless, f"{kind} {key} {told}"


@pytest.mark.parametrize(
    ("word", "value"), [("mask_ratio", -1), ("mask_ratio", "x"), ("layer_norm_eps", 1e9), ("hidden_act", "relu")]
)
def test_configurations_that_cannot_be(tmp_path, word, value):
    state, config = FILES["hugging face mae"]
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**config, word: value}))
    with pytest.raises(ValueError, match=rf"{value!r}.*(wanted|known)"):
        mv.load_mim(tmp_path, heads=4)
