"""Files to tensors: what is read, what is refused and why, and that nothing in a file ever runs."""

import argparse
import json
import os
import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mimviz.zoo.safe import read

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}


class Evil:
    """What an attacker's pickle does: runs a command while it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def same(weights):
    return set(weights.tensors) == set(STATE) and all(torch.equal(weights.tensors[k], STATE[k]) for k in STATE)


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors", "m.bin", "without_ending"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_what_the_bytes_are_counts_and_not_the_name(tmp_path, name, zipped):
    with (tmp_path / name).open("wb") as stream:
        torch.save(STATE, stream, _use_new_zipfile_serialization=zipped)
    assert same(read(tmp_path / name))
    save_file(STATE, tmp_path / name, metadata={"note": "x"})
    weights = read(tmp_path / name)
    assert same(weights) and weights.header == {"note": "x"} and weights.config == {}


def test_a_header_whose_length_begins_as_a_pickle_does(tmp_path):
    files = [tmp_path / str(i) for i in range(32)]
    for i, file in enumerate(files):
        save_file(STATE, file, metadata={"note": "x" * 8 * i})
    assert any(file.read_bytes()[0] == 0x80 for file in files)
    assert all(same(read(file)) for file in files)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("key", ["model", "state_dict", "module"])
def test_the_weights_inside_a_training_checkpoint(tmp_path, key, prefix):
    prefixed = {prefix + k: v for k, v in STATE.items()}
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.grad = torch.ones(2)
    optimizer.step()
    args = argparse.Namespace(norm_pix_loss=True, model="mae_vit_base_patch16")
    torch.save({key: prefixed, "optimizer": optimizer.state_dict(), "epoch": 7, "args": args}, tmp_path / "run.pth")
    weights = read(tmp_path / "run.pth")
    assert same(weights)
    assert weights.beside == {"epoch": 7, "args": {"norm_pix_loss": True, "model": "mae_vit_base_patch16"}}


def test_the_options_of_swin_and_simmim_are_read_without_their_package(tmp_path, monkeypatch):
    class CfgNode(dict):
        pass

    module = types.ModuleType("yacs.config")
    CfgNode.__module__, CfgNode.__qualname__, module.CfgNode = "yacs.config", "CfgNode", CfgNode
    config = CfgNode(DATA=CfgNode(IMG_SIZE=192))
    config.__dict__["__immutable__"] = True
    monkeypatch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
    monkeypatch.setitem(sys.modules, "yacs.config", module)
    torch.save({"model": STATE, "config": config}, tmp_path / "run.pth")
    monkeypatch.delitem(sys.modules, "yacs.config")
    weights = read(tmp_path / "run.pth")
    assert same(weights) and weights.beside["config"]["DATA"]["IMG_SIZE"] == 192
    assert type(weights.beside["config"]) is not CfgNode


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickle_never_runs(tmp_path, zipped):
    touched = tmp_path / "touched"
    bad = tmp_path / "evil.pth"
    torch.save({"model": STATE, "args": Evil(touched)}, bad, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"would run code when opened: it needs \w+\.system.*convert it once"):
        read(bad)
    assert not touched.exists()
    torch.load(bad, weights_only=False)
    assert touched.exists(), "opened carelessly it does run, so this test can fail"


def test_a_harmless_looking_class_is_refused_by_name(tmp_path):
    torch.save({"model": STATE, "args": argparse.Namespace(out=Path("x"))}, tmp_path / "run.pth")
    with pytest.raises(ValueError, match=r"it needs pathlib\.\w*Path"):
        read(tmp_path / "run.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(ValueError, match=r"it needs torch\.nn\.modules\.linear\.Linear"):
        read(tmp_path / "module.pth")


def test_what_was_let_through_is_not_let_through_elsewhere(tmp_path):
    torch.save({"model": STATE, "args": argparse.Namespace(a=1)}, tmp_path / "run.pth")
    before = set(torch.serialization.get_safe_globals())
    read(tmp_path / "run.pth")
    assert set(torch.serialization.get_safe_globals()) == before and argparse.Namespace not in before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "pointer of Git LFS"),
        (b"hello", "it is text, beginning 'hello'"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (bytes(600), "neither safetensors nor"),
        (b"PK\x03\x04" + bytes(600), "cut off"),
        (b"\x80\x02" + bytes(60), "cut off"),
    ],
)
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_files_that_are_no_checkpoint(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("how", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_cut_files(tmp_path, how, share):
    file = tmp_path / "m"
    big = {"a": torch.randn(64, 64)}
    save_file(big, file) if how == "safetensors" else torch.save(big, file, _use_new_zipfile_serialization=how == "zip")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(ValueError, match="cut off"):
        read(file)


def test_pickles_without_named_tensors(tmp_path):
    for content in ([torch.zeros(1)], {"epoch": 3}, torch.zeros(2), 3, {"model": {"x": 1}}):
        torch.save(content, tmp_path / "m.pth")
        with pytest.raises(ValueError, match="no tensors by name"):
            read(tmp_path / "m.pth")


def test_a_program_is_refused(tmp_path, recwarn):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "m.pt")
    with pytest.raises(ValueError, match="TorchScript program"):
        read(tmp_path / "m.pt")


def test_shards(tmp_path):
    save_file({"a.weight": STATE["a.weight"]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": STATE["b"]}, tmp_path / "model-00002-of-00002.safetensors")
    shards = {"a.weight": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    assert same(read(index)) and same(read(tmp_path))
    for broken, error, message in (
        ({**shards, "c": "model-00002-of-00002.safetensors"}, ValueError, "promises c and 0 more"),
        ({**shards, "b": "model-00003.safetensors"}, FileNotFoundError, "not beside it"),
        ({**shards, "b": "../secret.safetensors"}, ValueError, "outside of its folder"),
        ([1], ValueError, "no weight_map"),
    ):
        index.write_text(json.dumps({"weight_map": broken}))
        with pytest.raises(error, match=message):
            read(tmp_path)
    index.write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        read(index)


def test_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no weights .* but nothing"):
        read(tmp_path)
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text('{"model_type": "vit_mae"}')
    weights = read(tmp_path)
    assert same(weights) and weights.file.name == "pytorch_model.bin" and weights.config == {"model_type": "vit_mae"}
    save_file(STATE, tmp_path / "a.safetensors")
    assert read(tmp_path).file.name == "a.safetensors", "the safe one is preferred"
    save_file(STATE, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match=r"2 files with weights: name one, a\.safetensors, b\.safetensors"):
        read(tmp_path)
    save_file(STATE, tmp_path / "model.safetensors")
    assert read(tmp_path).file.name == "model.safetensors"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "nowhere.pth")
