"""`mimviz reconstruct`: the same picture as in Python, and one line for every wrong wish."""

import re

import numpy as np
import pytest
from PIL import Image

import mimviz as mv
from mimviz.grammar.where import STRATEGIES
from mimviz.lab.reconstruct import WAYS


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(np.linspace(0, 255, 60 * 80 * 3).reshape(60, 80, 3).astype(np.uint8)).save(path)
    return path


def test_figure_and_numbers(mimviz, photo, tmp_path):
    code, out, err = mimviz("reconstruct", photo, "--ratio", "0.5", "--seed", "3", "-o", tmp_path / "out.png")
    assert (code, err) == (0, "")
    model = mv.load_mim("tiny")
    outcome = model.reconstruct(photo, mv.Mask.random(model.grid, ratio=0.5, seed=3))
    assert f"loss {outcome.loss:.4f}   PSNR on hidden patches {outcome.psnr:.2f} dB" in out
    assert outcome.mask.to_rle() in out
    with Image.open(tmp_path / "out.png") as figure:
        assert min(figure.size) > 100


def test_without_a_name_it_goes_beside_you(mimviz, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mimviz("reconstruct", photo)[0] == 0
    assert (tmp_path / "photo-reconstructed.png").is_file()


def test_a_bundled_picture_by_name(mimviz, tmp_path):
    assert mimviz("reconstruct", mv.images()[0], "-o", tmp_path / "out.pdf")[0] == 0
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies(mimviz, photo, tmp_path, strategy):
    code, out, _ = mimviz("reconstruct", photo, "--strategy", strategy, "-o", tmp_path / "out.png")
    assert code == 0
    count = mv.load_mim("tiny").grid.count
    hidden = int(re.search(rf"(\d+) of {count} patches hidden", out)[1])
    assert hidden == count * 3 // 4 or (strategy == "multi-block" and abs(hidden - count * 3 / 4) < 0.2 * count)


@pytest.mark.parametrize("name", ["mask.png", "mask.txt"])
def test_a_mask_from_the_painter(mimviz, photo, tmp_path, name):
    hidden = np.zeros(mv.load_mim("tiny").grid.shape, bool)
    hidden[2:5, 1:7] = True
    mask = mv.Mask.from_array(hidden)
    (tmp_path / name).write_bytes(mask.to_png() if name.endswith("png") else mask.to_rle().encode())
    code, out, _ = mimviz("reconstruct", photo, "--mask", tmp_path / name, "-o", tmp_path / "out.png")
    assert code == 0
    assert mask.to_rle() in out


def test_the_strategies_are_those_of_the_painter():
    assert list(WAYS) == list(STRATEGIES)


def png(value, *, larger=0):
    rows, cols = mv.load_mim("tiny").grid.shape
    return mv.Mask.from_array(np.full((rows + larger, cols), value)).to_png()


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({}, ["missing.jpg"], "missing.jpg"),
        ({"empty.png": b""}, ["empty.png"], "empty"),
        ({"text.png": b"not a picture"}, ["text.png"], "text.png"),
        ({}, ["{photo}", "--ratio", "1.5"], "--ratio is 1.5, but a share between 0 and 1 is wanted"),
        ({}, ["{photo}", "--ratio", "nan"], "--ratio is nan"),
        ({}, ["{photo}", "--ratio", "half"], "invalid float value: 'half'"),
        ({}, ["{photo}", "--model", "huge"], "huge"),
        ({}, ["{photo}", "--strategy", "spiral"], "invalid choice: 'spiral'"),
        ({}, ["{photo}", "-o", "out.txt"], "cannot draw to out.txt: the name ends in '.txt'"),
        ({}, ["{photo}", "-o", "nowhere/out.png"], "there is no folder nowhere"),
        ({}, ["{photo}", "--mask", "missing.png"], "there is no mask file missing.png"),
        ({"mask.png": b""}, ["{photo}", "--mask", "mask.png"], "the mask file mask.png is empty"),
        ({"mask.txt": b"8x8:1 2 3"}, ["{photo}", "--mask", "mask.txt"], "8 x 8 makes 64"),
        ({"mask.png": lambda: png(True, larger=1)}, ["{photo}", "--mask", "mask.png"], "another model"),
        (
            {"mask.png": lambda: png(True)},
            ["{photo}", "--mask", "mask.png"],
            "patches are hidden, so the model would see nothing",
        ),
        (
            {"mask.png": lambda: png(False)},
            ["{photo}", "--mask", "mask.png"],
            "patches are hidden, so there is nothing to reconstruct",
        ),
        ({"mask.png": lambda: png(True)}, ["{photo}", "--mask", "mask.png", "--seed", "1"], "give one or the other"),
    ],
)
def test_wrong_wishes(mimviz, photo, tmp_path, monkeypatch, files, words, said):
    monkeypatch.chdir(tmp_path)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data() if callable(data) else data)
    code, out, err = mimviz("reconstruct", *(word.format(photo=photo) for word in words))
    assert (code, out) == (2, "")
    last = err.strip().splitlines()[-1]
    assert last.startswith("mimviz reconstruct: error: ")
    assert said in last
    assert "Traceback" not in err
    assert not (tmp_path / "photo-reconstructed.png").exists()
