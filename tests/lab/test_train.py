"""mimviz train on a small folder: a model comes out, a stopped run goes on, what cannot be trained is one line."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

import mimviz as mv
from mimviz.lab.cli import main

SMALL = ["--size", "16", "--patch", "4", "--batch", "4", "--device", "cpu", "--every", "2"]
TINY = [
    "--encoder-options",
    '{"embed_dim": 24, "depth": 1, "num_heads": 2}',
    "--recipe-options",
    '{"dim": 16, "depth": 1}',
]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(8):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), np.uint8)).save(tmp_path / f"{index}.png")
    return tmp_path


def train(folder, out, *more):
    return main(["train", str(folder), "-o", str(out), *SMALL, *TINY, *more])


def test_a_folder_becomes_a_model_with_a_card(folder, tmp_path, capsys):
    assert train(folder, tmp_path / "run", "--steps", "4", "--until", "3", "--name", "mine") == 0
    model = mv.load_mim(tmp_path / "run" / "model.safetensors")
    assert model.name == "mine"
    assert model.card["steps"] == 4
    assert model.card["pictures"] == 8
    assert "--steps 4 --until 3" in model.card["command"]
    assert "embed_dim" in model.card["command"]
    assert "mimviz.load_mim" in capsys.readouterr().out
    assert torch.isfinite(torch.tensor(model.reconstruct("cat").loss))


def test_a_stopped_run_goes_on_to_the_same_weights(folder, tmp_path, monkeypatch):
    train(folder, tmp_path / "whole", "--steps", "5")
    from mimviz.grammar import MaskedModel

    calls = iter(range(1, 99))

    def stop(self):
        if next(calls) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MaskedModel, "after_step", stop)
        assert train(folder, tmp_path / "parts", "--steps", "5") == 130
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    assert train(folder, tmp_path / "parts", "--steps", "5") == 0
    whole, parts = (mv.load_mim(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_a_conv_net_is_trained_and_found_again(folder, tmp_path):
    narrow = '{"layers": [1, 1, 1, 1], "channels": [8, 16, 24, 32]}'
    words = ["--recipe", "spark", "--encoder", "resnet18", "--size", "64", "--batch", "4", "--device", "cpu"]
    words += ["--steps", "2", "--encoder-options", narrow, "--recipe-options", '{"dim": 32}']
    assert main(["train", str(folder), "-o", str(tmp_path / "run"), *words]) == 0
    model = mv.load_mim(tmp_path / "run" / "model.safetensors")
    assert model.encoder.anatomy.family == "ResNet" and model.grid == mv.Grid(2, 2, 32)
    assert torch.isfinite(torch.tensor(model.reconstruct("cat", ratio=0.5).loss))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "must be positive"),
        (["--recipe", "beit9"], "no recipe 'beit9'; there are "),
        (["--encoder", "vit_tinny"], "timm knows no model"),
        (["--batch", "400"], "400"),
        (["--every", "0"], "every is 0"),
        (["--patch", "5"], "does not divide into patches of 5"),
    ],
    ids=["steps", "recipe", "encoder", "batch", "every", "patch"],
)
def test_what_cannot_be_trained_is_one_line(folder, tmp_path, capsys, words, message):
    assert train(folder, tmp_path / "run", *words) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("mimviz train: error: ")
    assert message in said
    assert "Traceback" not in said


def test_a_finished_run_is_not_written_again(folder, tmp_path, capsys):
    train(folder, tmp_path / "run", "--steps", "2")
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert train(folder, tmp_path / "run", "--steps", "2") == 0
    assert "nothing was trained" in capsys.readouterr().out
    assert train(folder, tmp_path / "run", "--steps", "2", "--weight-decay", "0.1") == 2
    assert "resume with the same values" in capsys.readouterr().err
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before
    mode = (tmp_path / "run" / "model.safetensors").stat().st_mode & 0o777
    assert mode & 0o044 or os.umask(0o022) & 0o044, "others may read it"
