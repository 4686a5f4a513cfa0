"""timm models by name, from the hub's cache, from files: the same numbers as the model whose weights they are."""

import json
import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification, ViTMAEConfig, ViTMAEForPreTraining

import mimviz as mv
from mimviz.vit import Encoder, anatomy
from mimviz.zoo import hub, save_vit
from mimviz.zoo.load_vit import load_vit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TINY = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 48, "num_heads": 3}


def drawn(name: str, **options):
    torch.manual_seed(0)
    model = timm.create_model(name, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def config(model, name: str, **more) -> str:
    """config.json, as timm writes it for the hub."""
    described = {key: value for key, value in model.pretrained_cfg.items() if key not in ("hf_hub_id", "url")}
    return json.dumps({"architecture": name, "num_classes": model.num_classes, "pretrained_cfg": described, **more})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, without a network; `cache(repo, model, config)` puts a model into it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(tmp_path), raising=False)

    def put(repo: str, model, text: str) -> Path:
        folder = tmp_path / f"models--{repo.replace('/', '--')}"
        snapshot = folder / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
        save_file(model.state_dict(), snapshot / "model.safetensors")
        (snapshot / "config.json").write_text(text)
        return snapshot

    return put


def same(ours, theirs, size: int = 160) -> None:
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-5)


def test_a_name_of_timm_from_the_cache(cache):
    theirs = drawn("test_vit")
    cache("timm/test_vit.r160_in1k", theirs, config(theirs, "test_vit"))
    ours = load_vit("test_vit")
    same(ours, theirs)
    assert not ours.training and ours.name == "test_vit" and "state_dict" not in ours.pretrained_cfg
    assert timm.data.resolve_model_data_config(ours)["input_size"] == (3, 160, 160)
    same(mv.load_vit("test_vit.r160_in1k", device="cpu"), theirs)


def test_a_head_of_another_size_and_another_picture(cache):
    theirs = drawn("test_vit")
    cache("timm/test_vit.r160_in1k", theirs, config(theirs, "test_vit"))
    headless, other = load_vit("test_vit", num_classes=0), load_vit("test_vit", num_classes=7)
    images = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        expected = theirs.forward_features(images)
        for model in (headless, other):
            torch.testing.assert_close(model.forward_features(images), expected, atol=1e-5, rtol=1e-5)
    assert other(images).shape == (1, 7) and headless.num_classes == 0 and other.num_classes == 7
    larger = load_vit("test_vit", img_size=(192, 160))
    resized = drawn("test_vit")
    resized.set_input_size((192, 160))  # timm's own way to the same size
    with torch.no_grad():
        images = torch.randn(1, 3, 192, 160)
        torch.testing.assert_close(larger(images), resized(images), atol=1e-5, rtol=1e-5)
    assert anatomy(larger).size == (192, 160) and larger.pretrained_cfg["input_size"] == (3, 192, 160)


def test_a_model_of_timms_on_the_hub(cache):
    theirs = drawn("test_vit", num_classes=3, global_pool="avg", class_token=False)
    text = config(
        theirs, "test_vit", model_args={"global_pool": "avg", "class_token": False}, label_names=["a", "b", "c"]
    )
    cache("someone/small", theirs, text)
    for name in ("someone/small", "hf-hub:someone/small", f"hf-hub:someone/small@{COMMIT}"):
        ours = load_vit(name)
        same(ours, theirs)
        assert mv.vit.class_names(ours) == ["a", "b", "c"]
    assert load_vit("someone/small", num_classes=5).num_classes == 5
    assert load_vit("someone/small", pretrained=False).global_pool == "avg"


def test_what_is_on_the_hub_in_another_layout_is_named(cache):
    theirs = drawn("test_vit", num_classes=3)
    cache("someone/mae", theirs, json.dumps({"architectures": ["ViTMAEForPreTraining"], "model_type": "vit_mae"}))
    with pytest.raises(ValueError, match=r"nothing says to which model of timm they belong.*architecture="):
        load_vit("someone/mae")
    cache("someone/odd", theirs, config(theirs, "test_vit", model_args={"checkpoint_path": "/etc/passwd"}))
    with pytest.raises(ValueError, match="asks timm for checkpoint_path, which could open any file"):
        load_vit("someone/odd")


def test_random_weights_need_no_network():
    model = load_vit("vit_tiny_patch16_224", pretrained=False, num_classes=4, **TINY)
    assert not model.training and model.num_classes == 4 and model.pretrained_cfg["input_size"] == (3, 32, 32)
    assert Encoder(model).grid == mv.Grid(4, 4, 8)
    assert anatomy(load_vit("resnet18", pretrained=False, img_size=64)).size == (64, 64)


def test_without_a_network_what_is_here_is_said(cache):
    theirs = drawn("test_vit")
    cache("timm/test_vit.r160_in1k", theirs, config(theirs, "test_vit"))
    with pytest.raises(
        FileNotFoundError, match=r"timm/vit_tiny.* HF_HUB_OFFLINE.*Bundled: tiny.*timm/test_vit.r160_in1k"
    ):
        load_vit("vit_tiny_patch16_224")
    with pytest.raises(
        FileNotFoundError, match=r"^timm/vit_tiny_patch16.*Names of timm that are near: vit_tiny_patch16_224.aug"
    ):
        load_vit("hf-hub:timm/vit_tiny_patch16_224.augreg_in21")
    with pytest.raises(FileNotFoundError, match="'some/folder' is no file or folder here"):
        load_vit("some/folder")


def test_wrong_names():
    with pytest.raises(
        FileNotFoundError, match=r"'vit_tiny_patch16' is no bundled model.*vit_tiny_patch16_224.*Bundled"
    ):
        load_vit("vit_tiny_patch16")
    with pytest.raises(FileNotFoundError, match="did you mean one of tiny"):
        load_vit("tinny")
    with pytest.raises(ValueError, match=r"timm has no weights 'maee' of vit_base_patch16_224; it has .*mae"):
        load_vit("vit_base_patch16_224.maee")
    with pytest.raises(
        FileNotFoundError, match="timm has no weights 'vit_small_patch16_36x1_224'; pretrained=False draws"
    ):
        load_vit("vit_small_patch16_36x1_224")


def test_what_cannot_be_read_is_refused_before_anything_is_fetched(monkeypatch):
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(TypeError, match="cannot read Xcit: its attention is between channels"):
        load_vit("xcit_nano_12_p16_224")
    with pytest.raises(ValueError, match="1 channels, but 3"):
        load_vit("vit_tiny_patch16_224", in_chans=1)
    with pytest.raises(TypeError, match="heads_of_what"):
        load_vit("vit_tiny_patch16_224", heads_of_what=3)


def test_files_of_mimviz(tmp_path):
    mim = mv.load_mim("tiny")
    encoder, images = load_vit("tiny"), torch.randn(1, 3, mim.grid.height, mim.grid.width)
    assert encoder.name == "tiny" and encoder.card == mim.card
    with torch.no_grad():
        expected = mim.encoder(mim.encoder.embed(images))
        torch.testing.assert_close(encoder.forward_features(images), expected, atol=1e-5, rtol=1e-5)
    options = {**TINY, "num_classes": 2}
    theirs = drawn("vit_tiny_patch16_224", **options)
    save_vit(
        tmp_path / "own.safetensors",
        theirs,
        "vit_tiny_patch16_224",
        options,
        classes=["cat", "dog"],
        card={"name": "own"},
    )
    ours = load_vit(tmp_path / "own.safetensors")
    same(ours, theirs, 32)
    assert ours.classes == ["cat", "dog"] and ours.name == "own"
    with pytest.raises(ValueError, match="says itself how its model is built: img_size cannot be chosen"):
        load_vit(tmp_path / "own.safetensors", img_size=64)
    with pytest.raises(ValueError, match=r"pretrained is False, but tiny\.safetensors is opened for its weights"):
        load_vit("tiny", pretrained=False)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_a_file_whose_architecture_is_named(tmp_path, ending):
    theirs, path = drawn("vit_tiny_patch16_224", num_classes=7, **TINY), tmp_path / f"weights.{ending}"
    save_file(theirs.state_dict(), path) if ending == "safetensors" else torch.save(
        {"model": theirs.state_dict()}, path
    )
    ours = load_vit(path, architecture="vit_tiny_patch16_224", **TINY)
    same(ours, theirs, 32)  # seven classes, as the head in the file has
    assert load_vit(str(path), architecture="vit_tiny_patch16_224", num_classes=0, **TINY).num_classes == 0
    with pytest.raises(ValueError, match=r"holds 32 tensors, but nothing says .* architecture='vit_base_patch16_224'"):
        load_vit(path)
    with pytest.raises(ValueError, match=r"does not fit vit_tiny_patch16_224: .*blocks\.2\."):
        load_vit(path, architecture="vit_tiny_patch16_224", **{**TINY, "depth": 3})
    with pytest.raises(ValueError, match="timm knows no model 'vit_tiny'"):
        load_vit(path, architecture="vit_tiny")


def test_a_folder_with_its_configuration(tmp_path):
    theirs = drawn("test_vit", num_classes=3)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(config(theirs, "test_vit"))
    same(load_vit(tmp_path), theirs)


def test_a_headless_file_and_tensors_in_the_layout_of_the_authors(tmp_path):
    """DINOv2's own files: the class token's position in the table, registers under another name, a mask token."""
    name = "vit_small_patch14_reg4_dinov2"
    theirs, path = drawn(name, **TINY), tmp_path / "dinov2.pth"
    state = theirs.state_dict()
    place = torch.randn(1, 1, 48)
    published = {key: value for key, value in state.items() if key not in ("reg_token", "cls_token", "pos_embed")}
    published |= {
        "register_tokens": state["reg_token"],
        "cls_token": state["cls_token"] - place,
        "pos_embed": torch.cat([place, state["pos_embed"]], 1),
        "mask_token": torch.zeros(1, 48),
    }
    torch.save(published, path)
    ours = load_vit(path, architecture=name, **TINY)
    same(ours, theirs, 32)
    assert ours.num_classes == 0


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"model": Evil()}, protocol=2))
    with pytest.raises(ValueError, match="would run code"):
        load_vit(path, architecture="vit_tiny_patch16_224")


def test_weights_that_are_on_no_hub(tmp_path, monkeypatch):
    """I-JEPA's: an address, and an encoder inside of a training checkpoint, which timm unwraps."""
    name, options = "vit_huge_patch14_gap_224.in1k_ijepa", {**TINY, "patch_size": 14, "img_size": 28}
    theirs = drawn(name.partition(".")[0], num_classes=0, **options)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    state = {f"module.{key}": value for key, value in theirs.state_dict().items()}

    def fetched(url, path):
        assert url.endswith("IN1K-vit.h.14-300e.pth.tar")
        torch.save({"encoder": state, "epoch": 3}, path)

    def offline(url, path):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(FileNotFoundError, match=r"no route to host\): is there a network\? Bundled: tiny"):
        load_vit(name, **options)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetched)
    same(load_vit(name, **options), theirs, 28)


def test_a_classifier_of_hugging_face_becomes_a_timm_model(tmp_path):
    theirs = ViTForImageClassification(
        ViTConfig(
            hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=32, patch_size=8,
            num_labels=5,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    theirs.save_pretrained(tmp_path)
    ours, images = load_vit(tmp_path), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images).logits, atol=1e-5, rtol=1e-5)
    assert anatomy(ours).grid == mv.Grid(4, 4, 8) and load_vit(tmp_path, num_classes=0).num_classes == 0
    with pytest.raises(ValueError, match="says itself how its model is built: img_size cannot be chosen"):
        load_vit(tmp_path, img_size=64)


def test_the_encoder_of_a_masked_model_of_hugging_face(tmp_path):
    config = ViTMAEConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=32, patch_size=8,
        decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=128,
    )  # fmt: skip
    ViTMAEForPreTraining(config).save_pretrained(tmp_path)
    mim, ours = mv.load_mim(tmp_path, normalize=True), load_vit(tmp_path)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = mim.encoder(mim.encoder.embed(images))
        torch.testing.assert_close(ours.forward_features(images), expected, atol=1e-5, rtol=1e-5)
