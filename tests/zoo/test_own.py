import json

import pytest
import torch
from safetensors.torch import save_file

import mimviz as mv
from mimviz.zoo import Sentence, bundled, save_mim

SENTENCE = Sentence(
    "mae", "vit_tiny_patch16_224",
    {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2, "positions": "sincos"},
    {"dim": 16, "depth": 1, "normalize": False},
)  # fmt: skip


def test_a_model_survives_its_file(tmp_path):
    model = SENTENCE.build()
    save_mim(tmp_path / "m.safetensors", model, SENTENCE, seed=3)
    again = mv.load_mim(tmp_path / "m.safetensors")
    mask = mv.Mask.random(model.grid)
    assert torch.equal(again.reconstruct("astronaut", mask).guess, model.reconstruct("astronaut", mask).guess)
    assert again.card["seed"] == 3 and again.name == "m" and not again.training and not again.normalized


def test_files_and_names_that_hold_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"did you mean 'tiny'\? Bundled: tiny"):
        mv.load_mim("tinny")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ValueError, match="no readable safetensors"):
        mv.load_mim(tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="does not say which model"):
        mv.load_mim(tmp_path / "bare.safetensors")
    save_mim(tmp_path / "other.safetensors", SENTENCE.build(), Sentence("simmim", *list(vars(SENTENCE).values())[1:3]))
    with pytest.raises(ValueError, match="does not fit the model that it names"):
        mv.load_mim(tmp_path / "other.safetensors")
    save_mim(tmp_path / "evil.safetensors", SENTENCE.build(), Sentence("__import__", "os"))
    with pytest.raises(ValueError, match="no recipe '__import__'"):
        mv.load_mim(tmp_path / "evil.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        [1],
        3,
        "x",
        {},
        {"recipe": "mae", "encoder": "vit_tiny_patch16_224", "version": 2},
        {"recipe": "mae", "card": []},
    ],
    ids=str,
)
def test_headers_of_another_version_are_refused(tmp_path, header):
    save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata={"mimviz": json.dumps(header)})
    with pytest.raises(ValueError, match="does not know"):
        mv.load_mim(tmp_path / "m.safetensors")


def test_what_lies_beside_the_model(tmp_path):
    save_mim(tmp_path / "model.safetensors", SENTENCE.build(), SENTENCE)
    save_file({"a": torch.zeros(1)}, tmp_path / "run.safetensors")
    with pytest.raises(ValueError, match=r"open .*model\.safetensors beside it"):
        mv.load_mim(tmp_path / "run.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "mae.pth")
    with pytest.raises(ValueError, match="safetensors only"):
        mv.load_mim(tmp_path / "mae.pth")


def test_a_cut_file_is_refused(tmp_path):
    save_mim(tmp_path / "m.safetensors", SENTENCE.build(), SENTENCE)
    whole = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut off"):
        mv.load_mim(tmp_path / "m.safetensors")


def test_the_bundled_model_is_there_and_small():
    from mimviz.zoo.load import WEIGHTS

    assert "tiny" in bundled()
    assert (WEIGHTS / "tiny.safetensors").stat().st_size <= 25e6
    assert (WEIGHTS / "tiny.md").is_file(), "its model card"
    model = mv.load_mim("tiny")
    assert model.name == "tiny" and not model.normalized
    assert model.reconstruct("astronaut").psnr > 13
