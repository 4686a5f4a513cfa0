"""mimviz tune on a small Parquet file: a classifier with names comes out, a stopped run goes on, wrong data is one line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mimviz.lab.cli import main
from mimviz.zoo import Sentence, read_vit, save_mim
from tests.data.files import photo

OPTIONS = {
    "img_size": 16,
    "patch_size": 4,
    "embed_dim": 24,
    "depth": 2,
    "num_heads": 2,
    "positions": "sincos",
    "reg_tokens": 1,
}
SENTENCE = Sentence("mae", "vit_tiny_patch16_224", OPTIONS, {"dim": 16, "depth": 1})


@pytest.fixture
def files(tmp_path):
    """A masked model, pictures with labels, and the names of their classes."""
    torch.manual_seed(0)
    save_mim(tmp_path / "mim.safetensors", SENTENCE.build(), SENTENCE)
    write(tmp_path / "data.parquet", range(8))
    (tmp_path / "classes.json").write_text(json.dumps(["cat, felis", "dog"]))
    return tmp_path


def write(path, sizes, label=lambda index: index % 2):
    rows = [{"image": {"bytes": photo(16 + s, 16), "path": None}, "label": label(i)} for i, s in enumerate(sizes)]
    pq.write_table(pa.Table.from_pylist(rows), path)


def tune(files, out, *more):
    words = ["--from", str(files / "mim.safetensors"), "--classes", str(files / "classes.json"), "-o", str(out)]
    words += ["--batch", "4", "--device", "cpu", "--every", "2", "--keep", "0.5", "--whole", "0.5"]
    return main(["tune", str(files / "data.parquet"), *words, *more])


def test_pictures_with_labels_become_a_classifier_with_a_card(files, tmp_path, capsys):
    assert (
        tune(files, tmp_path / "run", "--steps", "4", "--name", "pets", "--validate", str(files / "data.parquet")) == 0
    )
    vit = read_vit(tmp_path / "run" / "model.safetensors")
    assert (vit.name, vit.classes, vit.num_classes) == ("pets", ["cat", "dog"], 2)
    assert vit.pretrained_cfg["input_size"] == [3, 16, 16]
    assert vit(torch.zeros(1, 3, 16, 16)).shape == (1, 2)
    assert vit.num_prefix_tokens == 2
    card = vit.card
    assert card["steps"] == 4 and card["pictures"] == 8 and card["held_out"] == 8
    assert 0 <= card["top1"] <= card["top5"] == 1
    assert "--from mim.safetensors" in card["command"] and "--keep 0.5 --whole 0.5" in card["command"]
    assert str(tmp_path) not in card["command"]
    assert "mimviz.load_vit" in capsys.readouterr().out


def test_the_folders_of_a_folder_are_classes(files, tmp_path):
    for index, place in enumerate(("a", "b") * 2):
        (tmp_path / "photos" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / place / f"{index}.png").write_bytes(photo(16 + index, 16))
    words = ["--from", str(files / "mim.safetensors"), "--classes", str(files / "classes.json"), "--device", "cpu"]
    words += ["-o", str(tmp_path / "run"), "--batch", "4", "--steps", "1"]
    assert main(["tune", str(tmp_path / "photos"), *words]) == 0
    assert read_vit(tmp_path / "run" / "model.safetensors").card["pictures"] == 4


def folder(root, names):
    """One picture after the other, each in the folder of its class; the last is the first once more."""
    for index, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / f"{index}.png").write_bytes(photo(16 + index, 16))
    (root / names[0] / "again.png").write_bytes(photo(16, 16))
    return root


def tune_on(files, source, out, *more):
    words = [
        "--from",
        str(files / "mim.safetensors"),
        "--device",
        "cpu",
        "-o",
        str(out),
        "--batch",
        "4",
        "--steps",
        "1",
    ]
    return main(["tune", str(source), *words, *more])


def test_data_tell_their_classes_and_are_looked_over_before_the_training(files, tmp_path, capsys):
    root = folder(tmp_path / "photos", ("fox", "bee") * 2)
    (root / "bee" / "broken.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 of 6 pictures left out"):
        assert tune_on(files, root, tmp_path / "run", "--validate", str(root / "gone")) == 2
    said = capsys.readouterr()
    assert "Dataset(5 pictures of 16 × 16, 2 classes, 1 left out)" in said.out
    assert "1 equal to another one, e.g. fox/0.png and fox/again.png" in said.out and "bee 2, fox 3" in said.out
    assert not (tmp_path / "run").exists() and said.err.startswith("mimviz tune: error: ")
    (root / "bee" / "broken.png").unlink()
    assert tune_on(files, root, tmp_path / "run") == 0
    vit = read_vit(tmp_path / "run" / "model.safetensors")
    assert vit.classes == ["bee", "fox"] and "--classes" not in vit.card["command"]


def test_a_csv_beside_its_pictures(files, tmp_path, capsys):
    root = folder(tmp_path / "photos", ("x",) * 4)
    rows = "\n".join(f"x/{i}.png,{'ab'[i % 2]},{'cd'[i % 2]}" for i in range(4))
    (root / "table.csv").write_text(f"photo,one,two\n{rows}\n")
    assert tune_on(files, root / "table.csv", tmp_path / "no") == 2
    assert "say which holds the image" in capsys.readouterr().err
    columns = ["--image-column", "photo", "--label-column", "two"]
    assert tune_on(files, root / "table.csv", tmp_path / "run", *columns, "--validate", str(root / "table.csv")) == 0
    vit = read_vit(tmp_path / "run" / "model.safetensors")
    assert vit.classes == ["c", "d"] and vit.card["held_out"] == 4 and " ".join(columns) in vit.card["command"]


def test_named_classes_keep_the_place_that_was_said(files, tmp_path, monkeypatch, capsys):
    """Folders are in the order of the alphabet, the file of classes in another: the names decide."""
    from mimviz.lab import tune as command

    seen, first = [], command._steps
    monkeypatch.setattr(
        command, "_steps", lambda args, model, data, names: seen.append(data) or first(args, model, data, names)
    )
    (files / "classes.json").write_text(json.dumps(["fox", "ant", "bee"]))
    root = folder(tmp_path / "photos", ("fox", "bee") * 2)
    assert tune_on(files, root, tmp_path / "run", "--classes", str(files / "classes.json")) == 0
    (data,) = seen
    assert data.counts == {"fox": 3, "ant": 0, "bee": 2}
    assert all(
        data.classes[label] == name.split("/")[0] for label, name in zip(data.labels.tolist(), data.names, strict=True)
    )
    (files / "classes.json").write_text(json.dumps(["fox", "wasp"]))
    assert tune_on(files, root, tmp_path / "no", "--classes", str(files / "classes.json")) == 2
    assert (
        "the data have a class 'bee', which is none of the 2 named, and 'fox' at another place"
        in capsys.readouterr().err
    )


def test_a_run_that_ends_early_is_a_model_and_a_classifier_is_trained_on(files, tmp_path, capsys):
    assert tune(files, tmp_path / "first", "--steps", "9", "--until", "2") == 0
    first = tmp_path / "first" / "model.safetensors"
    assert "--steps 9 --until 2" in read_vit(first).card["command"]
    assert tune(files, tmp_path / "on", "--steps", "1", "--lr", "1e-12", "--from", str(first)) == 0
    on, before = read_vit(tmp_path / "on" / "model.safetensors"), read_vit(first)
    assert on.built == before.built and on.classes == before.classes
    for key, value in before.state_dict().items():
        torch.testing.assert_close(on.state_dict()[key], value, rtol=0, atol=1e-9)
    (files / "classes.json").write_text(json.dumps(["ant", "bee"]))
    assert tune(files, tmp_path / "other", "--from", str(first)) == 2
    assert "knows 2 other classes" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stopped_run_goes_on_to_the_same_weights(files, tmp_path, monkeypatch, precision):
    tune(files, tmp_path / "whole", "--steps", "5", "--precision", precision)
    from mimviz.tune import Classifier

    calls, counted = iter(range(1, 99)), Classifier.after_step

    def stop(self):
        counted(self)
        if next(calls) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "after_step", stop)
        assert tune(files, tmp_path / "parts", "--steps", "5", "--precision", precision) == 130
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    assert tune(files, tmp_path / "parts", "--steps", "5", "--precision", precision) == 0
    whole, parts = (read_vit(tmp_path / name / "model.safetensors").state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_a_finished_run_is_not_written_again(files, tmp_path, capsys):
    tune(files, tmp_path / "run", "--steps", "2")
    assert tune(files, tmp_path / "run", "--steps", "2") == 0
    assert "nothing was trained" in capsys.readouterr().out
    assert tune(files, tmp_path / "run", "--steps", "2", "--keep", "0.25") == 2
    assert "resume with the same values" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("label", "message"), [(-1, "without a label"), (2, "labels are 2 to 2, but there are 2 classes")]
)
def test_labels_without_a_class_are_one_line(files, tmp_path, capsys, label, message):
    write(files / "data.parquet", range(4), label=lambda _: label)
    assert tune(files, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_held_out_pictures_are_looked_at_before_the_training(files, tmp_path, capsys):
    write(files / "other.parquet", range(4), label=lambda _: 7)
    assert tune(files, tmp_path / "run", "--validate", str(files / "other.parquet")) == 2
    assert "labels are 7 to 7" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_training_begins_with_another_model(files, tmp_path, capsys):
    """Registers are added to a model that has none: what is there is taken, what is new keeps its fresh values."""
    import mimviz as mv

    plain = Sentence("mae", SENTENCE.encoder, OPTIONS | {"reg_tokens": 0}, SENTENCE.recipe_options)
    save_mim(files / "plain.safetensors", plain.build(), plain)
    source = str(files / "plain.safetensors")
    words = [
        "--from",
        source,
        "--encoder-options",
        '{"reg_tokens": 4}',
        "--steps",
        "1",
        "--lr",
        "1e-12",
        "--batch",
        "4",
    ]
    assert main(["train", str(files / "data.parquet"), "-o", str(tmp_path / "reg"), "--device", "cpu", *words]) == 0
    said = capsys.readouterr().out
    assert "new: encoder.vit.pos_embed, encoder.vit.reg_token" in said
    model, old = mv.load_mim(tmp_path / "reg" / "model.safetensors"), mv.load_mim(source)
    assert model.encoder.prefix == 5 and model.grid == old.grid
    for key, value in old.state_dict().items():
        if not key.endswith("pos_embed"):
            torch.testing.assert_close(model.state_dict()[key], value, rtol=0, atol=1e-9)
    torch.testing.assert_close(model.encoder.vit.pos_embed[:, 5:], old.encoder.vit.pos_embed[:, 1:])
    assert model.encoder.vit.reg_token.abs().max() > 0
    assert "--from plain.safetensors" in model.card["command"] and "--steps 1" in model.card["command"]


def test_training_from_a_model_that_does_not_fit_is_one_line(files, tmp_path, capsys):
    words = ["--from", str(files / "mim.safetensors"), "--recipe", "simmim", "--encoder-options", '{"embed_dim": 28}']
    words += ["--recipe-options", "{}", "--steps", "1"]
    assert main(["train", str(files / "data.parquet"), "-o", str(tmp_path / "no"), *words]) == 2
    assert capsys.readouterr().err.startswith("mimviz train: error: ")
