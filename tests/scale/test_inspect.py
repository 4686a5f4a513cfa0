"""A whole dataset in a store: what a loop by hand gives, bit for bit; cut off and taken up; broken and wrong things told."""

import gc
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from torch.nn import functional as F

import mimviz as mv
from mimviz.judges import Deletion
from mimviz.lenses import Gradient, Rollout
from mimviz.scale import Inspection
from mimviz.tune import Features

from .small import BROKEN, NAMES, classifier, folder, inspection


@pytest.fixture
def root(tmp_path):
    return folder(tmp_path / "data")


def finish(work):
    for _ in work.run():
        pass
    return work.store


def contents(store):
    """Everything but the thumbnails' bytes, row by row."""
    table = store.table.to_table().to_pylist()
    return json.dumps(table, default=bytes.hex), {name: store.array(name).tobytes() for name in store.arrays}


def test_equal_to_a_loop_by_hand_bit_for_bit(root, tmp_path):
    model, words = classifier(), {"lenses": [Rollout(), "Gradient"], "judges": [Deletion(steps=4)]}
    store = mv.inspect(root, model, out=tmp_path / "out", batch=4, norms=(-1, 0), progress=False, **words)
    with pytest.warns(UserWarning, match="1 of 11 pictures left out"):
        data = mv.data.dataset(root, size=16)
    at = [i for i in range(11) if i != BROKEN]
    place = {i: n for n, i in enumerate(at)}
    labels = torch.tensor([{"owl": 0, "fox": 2, "bee": 3}[data.classes[n]] for n in data.labels])
    scale = [torch.tensor(v).view(3, 1, 1) for v in (model.default_cfg["mean"], model.default_cfg["std"])]
    for start in range(0, 11, 4):
        rows = [i for i in range(start, min(start + 4, 11)) if i in place]
        ids = [place[i] for i in rows]
        scene = mv.Scene(model, (data.images[ids].float() / 255 - scale[0]) / scale[1], normalized=True)
        with torch.no_grad():
            tokens = model.norm(scene.trace.tokens[-1])
        heat = Rollout()(scene)
        wanted = {
            "class": scene.logits.argmax(-1), "probability": scene.logits.softmax(-1).amax(-1),
            "loss": F.cross_entropy(scene.logits, labels[ids], reduction="none"),
            "norm_1_max": scene.trace.maps(1).norm(dim=1).amax((1, 2)),
            "norm_0_mean": scene.trace.maps(0).norm(dim=1).flatten(1).mean(1),
            "Deletion(steps=4) of Rollout": Deletion(steps=4)(scene, heat).value,
            "Deletion(steps=4) of Gradient": Deletion(steps=4)(scene, Gradient()(scene)).value,
        }  # fmt: skip
        for name, value in wanted.items():
            assert np.array_equal(store.column(name)[rows], value.numpy()), name
        assert np.array_equal(store.array("features/avg", rows), tokens[:, 1:].mean(1).numpy())
        assert np.array_equal(store.array("heat/Rollout", rows), heat.values.numpy())
        assert np.array_equal(store.array("heat/Gradient", rows), Gradient()(scene).values.numpy())
        assert torch.equal(store.heat(rows[0], "Gradient").values, Gradient()(scene).values[:1])
    np.testing.assert_allclose(store.array("features/avg", at), Features(model)(data.images), atol=1e-5)
    assert store.column("name").tolist()[0] == data.names[0] and store.column("label").tolist()[BROKEN] == 1


def test_broken_pictures_are_listed_and_everything_else_stays_in_its_place(root, tmp_path):
    store = finish(inspection(root, tmp_path / "out"))
    assert store.rows == store.of == 11 and store.complete
    ((row, name, why),) = store.errors
    assert (row, name) == (BROKEN, "fox/005.png") and "text" in why
    assert (
        np.isnan(store.array("features/avg")[BROKEN]).all()
        and np.isfinite(np.delete(store.array("features/avg"), BROKEN, 0)).all()
    )
    assert store.row(BROKEN)["loss"] is None and store.row(BROKEN)["thumbnail"] is None
    with pytest.raises(ValueError, match=r"picture 5 has no map: .*text"):
        store.heat(BROKEN, "Rollout")
    found = store.table.to_table(columns=["row"], filter=pc.field("loss") > 0).column("row").to_pylist()
    assert found == [i for i in range(11) if i != BROKEN]
    assert store.picture(0).array.shape == (20, 24, 3)
    assert store.classes == list(NAMES) and store.model_classes[1] == "cat, felis"


def test_a_part_in_which_all_are_broken(root, tmp_path):
    for number in range(4, 8):
        next(root.glob(f"*/{number:03d}.png")).write_bytes(b"")
    store = finish(inspection(root, tmp_path / "out"))
    assert [row for row, _, _ in store.errors] == [4, 5, 6, 7]
    assert store.array("heat/Rollout").shape == (11, 4, 4) and np.isnan(store.array("heat/Rollout", [5, 1])[0]).all()
    assert store.table.to_table().num_rows == 11


def test_left_and_taken_up_is_the_same_as_in_one_go(root, tmp_path):
    whole = finish(inspection(root, tmp_path / "whole", seconds=60))
    assert len(whole.parts) == 1
    for left in (1, 2):
        work = inspection(root, tmp_path / f"left {left}", seconds=60)
        running = work.run()
        for _ in range(left):
            told = next(running)
        assert told.done == 4 * left and told.of == 11
        running.close()
        assert work.store.rows == 4 * left, "what was asked is kept"
        again = finish(inspection(root, tmp_path / f"left {left}"))
        assert contents(again) == contents(whole)
    assert not list(inspection(root, tmp_path / "whole").run()), "nothing is asked twice"


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.scale.small import inspection
work = inspection(Path(sys.argv[2]), Path(sys.argv[3]), batch=2)
print("begun", flush=True)
for _ in work.run():
    time.sleep(0.02)
"""


def test_killed_at_any_moment_it_opens_and_goes_on(tmp_path):
    root, out = folder(tmp_path / "data", count=41), tmp_path / "out"
    whole = finish(inspection(root, tmp_path / "whole", batch=2))
    drawn, seen = random.Random(0), []
    for _ in range(4):
        words = [sys.executable, "-c", KILLED, str(Path(__file__).parents[2]), str(root), str(out)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            assert run.stdout is not None and run.stdout.readline(), run.stderr and run.stderr.read()
            before, began = len(seen) and seen[-1], time.monotonic()
            while not (out.exists() and (out / "manifest.json").exists() and mv.open_store(out).rows > before):
                assert run.poll() is None and time.monotonic() - began < 60
            time.sleep(drawn.random() * 0.08)
            os.kill(run.pid, signal.SIGKILL)
        store = mv.open_store(out)
        seen.append(store.rows)
        assert store.table.to_table().num_rows == len(store.array("features/avg")) == store.rows, "it opens"
        if store.complete:
            break
    assert seen == sorted(seen) and seen[0] < 41, "nothing was lost"
    again = finish(inspection(root, out, batch=2))
    assert contents(again) == contents(whole), "and nothing is there twice"
    assert not list(out.rglob("*.part"))


def test_what_a_cut_left_behind_is_swept_away(root, tmp_path):
    out = tmp_path / "out"
    whole = contents(finish(inspection(root, out)))
    part = mv.open_store(out).parts[1]
    part.table.unlink()
    (out / "parts" / "000000099-000000100.safetensors").write_bytes(b"half")
    (out / "parts" / "000000004-000000008.parquet.part").write_bytes(b"half")
    assert mv.open_store(out).rows == 7
    assert contents(finish(inspection(root, out))) == whole
    assert sorted(path.name for path in (out / "parts").iterdir() if "99" in path.name or path.suffix == ".part") == []


def test_another_question_is_refused_and_loses_nothing(root, tmp_path):
    out = tmp_path / "out"
    held = contents(finish(inspection(root, out)))
    for change, what in (({"lenses": ["Chefer"]}, "lenses"), ({"batch": 5}, "batch"), ({"limit": 3}, "rows")):
        with pytest.raises(ValueError, match=f"another question.*{what}"):
            inspection(root, out, **change)
    with pytest.raises(ValueError, match=r"another question \(model differ"):
        Inspection(root, classifier(seed=1), out=out, lenses=["Rollout"], batch=4)
    (root / "bee" / "new.png").write_bytes((root / "bee" / "000.png").read_bytes())
    with pytest.raises(ValueError, match="dataset"):
        inspection(root, out)
    with pytest.raises(ValueError, match="is not the dataset that was inspected"):
        mv.open_store(out).picture(0)
    assert contents(mv.open_store(out)) == held


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"lenses": ["Rolout"]}, "lenses names 'Rolout', but there are"),
        ({"lenses": [3]}, "lenses holds 3"),
        ({"judges": ["Deletion"], "lenses": []}, "no lens whose maps"),
        ({"judges": ["Delete"]}, "judges names 'Delete'"),
        ({"features": "max"}, "features names 'max'"),
        ({"norms": 7}, "norms names block 7, but this model has 2"),
        ({"batch": 0}, "batch is 0"),
        ({"lenses": [Rollout(), Rollout()]}, "two of one name"),
        ({"image": "photo"}, "photo"),
    ],
)
def test_wrong_questions_are_told_before_anything_is_written(root, tmp_path, question, message):
    if "image" in question:
        (root / "table.csv").write_text("file,label\nbee/000.png,bee\n")
        root = root / "table.csv"
    with pytest.raises((ValueError, TypeError), match=message):
        inspection(root, tmp_path / "out", **question)
    assert not (tmp_path / "out").exists()


def test_a_lens_that_does_not_fit_the_model_ends_the_run(root, tmp_path):
    work = Inspection(root, mv.load_mim("tiny"), out=tmp_path / "out", lenses=["Gradient"])
    with pytest.raises(ValueError, match="Gradient cannot be asked of this"):
        next(work.run())
    assert work.store.rows == 0


def test_one_picture_that_cannot_be_asked_is_listed(root, tmp_path):
    sure = finish(inspection(root, tmp_path / "plain")).column("probability")

    class Fussy:
        def __call__(self, scene):
            if bool(((scene.logits.softmax(-1).amax(-1) - sure[1]).abs() < 1e-4).any()):
                raise RuntimeError("not this one")
            return Rollout()(scene)

        def __repr__(self):
            return "Fussy()"

    store = finish(inspection(root, tmp_path / "out", lenses={"fussy": Fussy()}))
    assert [row for row, _, _ in store.errors] == [1, BROKEN]
    assert "fussy cannot be asked of this: not this one" in store.errors[0][2]
    assert np.isnan(store.array("heat/fussy", [1])).all() and np.isfinite(store.array("heat/fussy", [0, 2, 3])).all()


def test_folders_that_are_no_store(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        mv.open_store(tmp_path / "none")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="no store of mimviz"):
        mv.open_store(tmp_path / "other")
    with pytest.raises(ValueError, match="no store of mimviz"):
        inspection(root, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_two_at_once_are_refused(root, tmp_path):
    first = inspection(root, tmp_path / "out").run()
    next(first)
    with pytest.raises(RuntimeError, match="being written by another inspection"):
        next(inspection(root, tmp_path / "out").run())
    first.close()
    finish(inspection(root, tmp_path / "out"))


def test_a_full_disk_is_told_and_what_was_written_stays(root, tmp_path):
    """A real limit of the operating system on the size of files, below that of a part's arrays."""
    work = inspection(root, tmp_path / "out")
    running = work.run()
    next(running)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
        with pytest.raises(OSError, match=r"rows 4 to 7 could not be written.*make room and ask again"):
            next(running)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert work.store.rows == 4 and not list((tmp_path / "out").rglob("*.part"))
    assert contents(finish(inspection(root, tmp_path / "out"))) == contents(
        finish(inspection(root, tmp_path / "whole"))
    )


def test_every_kind_of_dataset(root, tmp_path):
    with pytest.warns(UserWarning, match="left out"):
        data = mv.data.dataset(root, size=16)
    kinds = {
        "dataset": data,
        "paths": sorted(root.glob("*/*.png")),
        "pictures": [data.picture(i) for i in range(3)],
        "names": ["cat", "astronaut"],
    }
    kept = mv.inspect(root, classifier(), out=tmp_path / "folder", progress=False, batch=32)
    for name, source in kinds.items():
        store = mv.inspect(source, classifier(), out=tmp_path / name, progress=False, batch=32)
        assert store.complete and len(store.errors) == (name == "paths"), name
    good = [i for i in range(11) if i != BROKEN]
    mine = mv.open_store(tmp_path / "dataset")
    np.testing.assert_array_equal(mine.array("features/avg"), kept.array("features/avg", good))
    with pytest.raises(ValueError, match="give it as source="):
        mine.picture(0)
    np.testing.assert_allclose(mine.picture(2, data).array, data.picture(2).array, atol=1e-6)


def test_a_masked_model_tells_its_loss_and_its_encoder_the_features(root, tmp_path):
    model = mv.load_mim("tiny")
    store = mv.inspect(root, model, out=tmp_path / "out", progress=False, limit=3, lenses="TokenNorm")
    scene = mv.Scene(model.encoder, store.picture(1))
    np.testing.assert_allclose(
        store.heat(1, "TokenNorm").values.numpy(), mv.lenses.TokenNorm()(scene).values.numpy(), rtol=0.05
    )
    mask = mv.Mask.random(model.grid, ratio=0.75, seed=0)
    assert float(store.column("loss")[1]) == pytest.approx(
        float(model.reconstruct(store.picture(1), mask).loss), rel=0.05
    )


def test_target_of_the_label(root, tmp_path):
    store = mv.inspect(
        root, classifier(), out=tmp_path / "out", progress=False, limit=4, lenses="Gradient", target="label"
    )
    scene = mv.Scene(classifier(), store.picture(1), target="bee")
    np.testing.assert_allclose(store.heat(1, "Gradient").values, Gradient()(scene).values, rtol=0.2, atol=0.05)
    vit = classifier()
    vit.classes = ["owl", "cat", "dog", "cow"]
    with pytest.raises(ValueError, match=r"target is 'label', but .*does not know 'bee' and 1 more of 3 classes"):
        Inspection(root, vit, out=tmp_path / "no", target="label")


def test_nothing_readable_is_an_error(tmp_path):
    root = tmp_path / "data" / "a"
    root.mkdir(parents=True)
    (root / "x.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="none of 1 pictures could be asked"):
        mv.inspect(root.parent, classifier(), out=tmp_path / "out", progress=False)


def test_memory_does_not_grow_with_the_dataset(tmp_path, monkeypatch):
    """However many pictures there are, only those of a few batches are alive at once, and no scene outlives its batch."""
    from mimviz.scale import asked, rows

    alive = {"pictures": 0, "scenes": 0}
    most = dict(alive)

    def watched(kind, made):
        alive[kind] += 1
        most[kind] = max(most[kind], alive[kind])
        weakref.finalize(made, lambda: alive.update({kind: alive[kind] - 1}))
        return made

    decode, Scene = rows.thumbnail, asked.Scene
    monkeypatch.setattr(rows, "thumbnail", lambda *given, **named: watched("pictures", decode(*given, **named)))
    monkeypatch.setattr(asked, "Scene", lambda *given, **named: watched("scenes", Scene(*given, **named)))
    root = folder(tmp_path / "data", count=80, broken=False)
    gc.disable()  # nothing may wait for the collector
    try:
        store = finish(inspection(root, tmp_path / "out", batch=4, seconds=60, lenses=[]))
    finally:
        gc.enable()
    assert store.rows == 80 and 4 <= most["pictures"] <= 4 * (rows.AHEAD + 3) and most["scenes"] <= 2, most
