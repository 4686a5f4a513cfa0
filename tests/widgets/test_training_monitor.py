"""The monitor without a browser: what is told, shown, asked, and what it costs."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
import timm
import torch
import traitlets as t

import mimviz as mv
from mimviz.data import Batches
from mimviz.train import History, Run, Step
from mimviz.tune import Classifier
from mimviz.widgets import TrainingMonitor
from mimviz.widgets.training_monitor_told import POINTS, curve, report

HALF = (0.5, 0.5, 0.5)


def model(seed=0):
    torch.manual_seed(seed)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    return mv.recipes.mae(encoder, dim=16, depth=1)


def batches(labels=None):
    images = torch.randint(0, 255, (12, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(9))
    return Batches(images, 4, mean=HALF, std=HALF, labels=labels)


@pytest.fixture
def watch(monkeypatch, photo):
    """Makes runs with monitors, and closes them after the test."""
    if not TrainingMonitor._esm:
        monkeypatch.setattr(TrainingMonitor, "_esm", "export default {}")
    made = []

    def make(run=None, *others, **options):
        run = run or Run(model(), batches(), steps=20, watch=[photo], share=1.0, every=4)
        made.append(TrainingMonitor(run, *others, **options))
        return made[-1]

    yield make
    for monitor in made:
        monitor.close()


def told(monitor, wish, seconds=20.0):
    """Waits until `wish(monitor)`: numbers come from threads."""
    end = time.monotonic() + seconds
    while not wish(monitor):
        assert time.monotonic() < end, (monitor.report, monitor.problem)
        time.sleep(0.01)
    monitor.wait()


def finished(monitor, count=1):
    def done(m):
        return len(m.report.get("runs", [])) == count and all(run["state"] != "running" for run in m.report["runs"])

    told(monitor, done)


def rows(monitor):
    return np.frombuffer(monitor.curves, "<f4").reshape(-1, 6)


def panels(monitor, place=0):
    return [panel for panel in monitor.frame["panels"] if panel["place"] == place]


def test_a_run_that_was_not_begun_is_shown_and_started_on_the_page(watch, browser):
    monitor = watch()
    told(monitor, lambda m: m.report)
    assert [run["state"] for run in monitor.report["runs"]] == ["new"] and len(rows(monitor)) == 0
    assert [panel["key"] for panel in panels(monitor)] == ["seen", "guess", "loss", "lens Attention", "lens TokenNorm"]
    before = monitor.pictures
    browser(monitor, command={"do": "start", "run": 0, "count": 1})
    monitor.runs[0].wait(60)
    finished(monitor)
    run = monitor.report["runs"][0]
    assert (run["state"], run["done"], run["left"]) == ("finished", 20, 0)
    assert rows(monitor)[:, 0].tolist() == list(range(1, 21))
    assert rows(monitor)[:, 1] == pytest.approx(monitor.runs[0].history.loss, rel=1e-6)
    told(monitor, lambda m: m.frame["steps"] == [20])
    assert monitor.pictures != before and monitor.frame["exact"] == [True]


def test_the_pictures_are_those_of_the_moment(watch, photo):
    monitor = watch()
    run = monitor.runs[0].start().wait(60)
    finished(monitor)
    for step, shown in ((8, 8), (11, 8), (3, 0), (20, 20)):
        monitor.moment = step
        monitor.wait()
        assert monitor.frame["steps"] == [shown] and monitor.frame["asked"] == step
        loss = next(panel for panel in panels(monitor) if panel["key"] == "loss")
        values = np.frombuffer(monitor.pictures[loss["start"] :][: loss["size"]], "<f4")
        mask = mv.Mask.random(run.model.grid, ratio=0.75, seed=0)
        outcome = run.at(shown).reconstruct(photo, mask)
        assert np.nanmean(values) == pytest.approx(float(outcome.loss), rel=1e-5)
    light = Run(model(), batches(), steps=6, every=2, share=1.0, watch=[photo]).start().wait(60)
    light.moments.forget_after(5)
    light.moments.sketch(5, light.model.state_dict())
    near = watch(light)
    near.moment = 5
    near.wait()
    assert near.frame["steps"] == [5] and near.frame["exact"] == [False]


def test_the_validation_curve_is_told_and_a_run_without_one_tells_none(watch):
    labels = torch.arange(12) % 3
    size = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2, "num_classes": 3}
    learner = Classifier(mv.encoder("vit_tiny_patch16_224", **size).vit, steps=8)
    other = Batches(255 - batches().images, 4, mean=HALF, std=HALF, labels=labels)
    run = Run(learner, batches(labels), steps=8, validation=other, validate_every=3)
    monitor = watch(run, Run(model(), batches(), steps=8))
    run.start().wait(60)
    finished(monitor, 2)
    first, second = monitor.report["runs"]
    assert [point[0] for point in first["validation"]] == [3, 6, 8] and second["validation"] == []
    last = run.history.validation[8]
    assert first["validation"][-1] == [8, pytest.approx(last.loss), pytest.approx(last.accuracy)]
    run.history.validation = dict.fromkeys(range(1, 10001), last)
    many = report(run)["validation"]
    assert len(many) <= 2 * POINTS and many[-1][0] == 10_000


def test_rate_pause_stop_and_refusals_from_the_page(watch, browser):
    monitor = watch(Run(model(), batches(), steps=4000))
    run = monitor.runs[0]
    browser(monitor, command={"do": "start", "run": 0, "count": 1})
    told(monitor, lambda m: m.report and m.report["runs"][0]["done"] > 3)
    browser(monitor, command={"do": "lr", "run": 0, "value": 5e-4, "count": 2})
    told(monitor, lambda m: m.report["runs"][0]["peak"] == 5e-4)
    at = len(run.history)
    browser(monitor, command={"do": "pause", "run": 0, "count": 3})
    between = len(run.history)
    run.wait(60)
    assert run.state == "paused" and len(run.history) <= between + 1 and between >= at
    told(monitor, lambda m: m.report["runs"][0]["state"] == "paused")
    browser(monitor, command={"do": "lr", "run": 0, "value": -1, "count": 4})
    assert "could not lr" in monitor.problem["title"] and "positive learning rate" in monitor.problem["text"]
    browser(monitor, command={"do": "start", "run": 0, "count": 5})
    assert monitor.problem == {}
    browser(monitor, command={"do": "stop", "run": 0, "count": 6})
    run.wait(60)
    assert run.state == "stopped"
    browser(monitor, command={"do": "start", "run": 7, "count": 7})  # an old page


def test_a_branch_stands_beside_its_run(watch, browser):
    monitor = watch()
    run = monitor.runs[0].start().wait(60)
    finished(monitor)
    browser(monitor, command={"do": "branch", "run": 0, "value": 8, "lr": 3e-3, "count": 1})
    told(monitor, lambda m: len(m.report["runs"]) == 2 and not m.branching)
    branch = monitor.runs[1]
    assert branch.loop.changes == {8: 3e-3} and monitor.report["points"] == [20, 8]
    browser(monitor, command={"do": "start", "run": 1, "count": 2})
    branch.wait(60)
    finished(monitor, 2)
    monitor.moment = 12
    monitor.wait()
    assert monitor.frame["steps"] == [12, 12] and [p["run"] for p in monitor.frame["places"]] == [0, 1]
    assert run.history.loss[12] != branch.history.loss[12]
    browser(monitor, command={"do": "branch", "run": 0, "value": 99, "count": 3})
    told(monitor, lambda m: m.problem and not m.branching)
    assert "0 to 20 are done" in monitor.problem["text"] and len(monitor.runs) == 2


def test_runs_from_disk_are_compared_with_and_without_their_model(watch, photo, tmp_path):
    for name, lr in (("a", 1e-3), ("b", 3e-3)):
        Run(model(), batches(), steps=8, lr=lr, folder=tmp_path / name, share=1.0, every=2).start().wait(60)
    one, two = Run.open(tmp_path / "a", model(seed=4)), Run.open(tmp_path / "b")
    monitor = watch(one, two, pictures=[photo])
    finished(monitor, 2)
    assert monitor.report["points"] == [8, 8] and [run["drives"] for run in monitor.report["runs"]] == [False, False]
    assert monitor.frame["steps"] == [8, None] and len(monitor.frame["places"]) == 1
    monitor.moment = 4
    monitor.wait()
    assert monitor.frame["steps"] == [4, None]


def test_a_classifier_shows_its_classes_and_its_maps(watch, photo):
    torch.manual_seed(0)
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2, num_classes=3
    )
    vit.classes = ["cat", "dog", "car"]
    run = Run(Classifier(vit, steps=6), batches(torch.arange(12) % 3), steps=6, watch=[photo])
    monitor = watch(run, lenses=["Gradient", "TokenNorm"])
    run.start().wait(60)
    finished(monitor)
    told(monitor, lambda m: m.frame["steps"] == [6])
    place = monitor.frame["places"][0]
    assert sum(share for _, share in place["classes"]) == pytest.approx(1) and {
        name for name, _ in place["classes"]
    } == {"cat", "dog", "car"}
    assert [panel["key"] for panel in panels(monitor)] == ["picture", "lens Gradient", "lens TokenNorm"]
    with torch.no_grad():
        shares = run.at().vit(mv.Scene(run.model.vit, photo).images)[0].softmax(-1)
    assert place["classes"][0][1] == pytest.approx(float(shares.max()), abs=1e-6)


def test_a_lens_that_cannot_be_read_is_said_and_the_others_are_there(watch):
    monitor = watch(lenses=["TokenNorm"])
    monitor.wait()
    monitor.chosen = ["LRP", "TokenNorm", "Gradient"]
    monitor.wait()
    keys = [panel["key"] for panel in panels(monitor)]
    assert "lens TokenNorm" in keys and "lens Gradient" in keys, "of a masked model, the gradient of its loss"
    problems = monitor.frame["places"][0]["problems"]
    assert ("lens LRP" in keys) != bool([each for each in problems if each["title"] == "LRP gave no map"])
    with pytest.raises(t.TraitError, match="chosen names 'Nothing'"):
        monitor.chosen = ["Nothing"]
    with pytest.raises(ValueError, match="methods names 'Nope'"):
        watch(lenses=["Nope"])
    with pytest.raises(TypeError, match=r"run is MaskedModel, but a mimviz.Run is wanted"):
        watch(model())


def test_warnings_and_failures_reach_the_page(watch):
    run = Run(model(), batches(), steps=3, lr=1e-30, weight_decay=0)
    monitor = watch(run)
    run.start()
    finished(monitor)
    assert [each["kind"] for each in monitor.report["runs"][0]["warnings"]] == ["no step"]
    broken = model()
    broken.decoder.norm.register_forward_hook(lambda module, given, made: made * float("nan"))
    failed = watch(Run(broken, batches(), steps=3))
    failed.runs[0].start()
    finished(failed)
    said = failed.report["runs"][0]
    assert (
        said["state"] == "failed"
        and "it began in decoder.norm" in said["message"]
        and "Kept: all of it at step 0" in said["message"]
    )


def test_watching_changes_no_number(watch, photo):
    plain = model()
    losses = [step.loss for step in mv.fit(plain, batches(), steps=30)]
    monitor = watch(Run(model(), batches(), steps=30, watch=[photo, photo]))
    run = monitor.runs[0].start()
    step = 0
    while run.state == "running":  # a person who is never content
        monitor.moment = step % 30
        monitor.wait()
        step += 7
    run.wait(60)
    assert run.history.loss.tolist() == losses


def test_closing_stops_the_training_and_says_what_was_kept(watch, capsys):
    run = Run(model(), batches(), steps=4000)
    monitor = watch(run)
    run.start()
    told(monitor, lambda m: m.report and m.report["runs"][0]["done"] > 2)
    monitor.close()
    assert run.state == "stopped" and run.moments.newest.step == len(run.history)
    assert f"Stopped after step {len(run.history)} of 4000. Kept: all of it" in capsys.readouterr().out
    assert not len(run._followers) and monitor.engine.closed
    monitor.close()
    gone = weakref.ref(monitor._gallery) if monitor._gallery else None
    assert gone is None


def test_a_slow_picture_holds_up_neither_numbers_nor_steps(watch, photo, monkeypatch):
    from mimviz.widgets import training_monitor_views as views

    gate = threading.Event()
    monkeypatch.setattr(views.Gallery, "_place", lambda *_: views.Place(int(not gate.wait(20)), 0, []))
    run = Run(model(), batches(), steps=60, watch=[photo])
    monitor = watch(run)
    run.start().wait(30)
    told_at = time.monotonic()
    while monitor.report["runs"][0]["done"] < 60:
        assert time.monotonic() - told_at < 10
        time.sleep(0.01)
    assert not gate.is_set()
    gate.set()


def test_a_long_curve_becomes_means_with_their_range():
    history = History()
    loss = np.random.default_rng(0).random(1003)
    for i, value in enumerate(loss):
        history.add(Step(i + 1, float(value), 1e-3 * i, 0.1, 4, None, float(value) * 2))
    found = curve(history)
    size = -(-1003 // POINTS)
    assert len(found) <= POINTS and found[-1, 0] == 1003
    first = loss[:size]
    assert found[0, 1:4] == pytest.approx([first.mean(), first.min(), first.max()], rel=1e-6)
    assert found[-1, 5] == pytest.approx(2 * loss[len(loss) - (1003 % size or size) :].mean(), rel=1e-6)
    assert found[:, 2].min() == pytest.approx(loss.min()) and found[:, 3].max() == pytest.approx(loss.max())


class Lost:
    def __init__(self, loss):
        self.loss = loss

    def detached(self):
        return Lost(float(self.loss.detach()))


class Quick(torch.nn.Module):
    """A model whose steps take next to no time."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4, 4))

    def forward(self, images):
        return Lost((self.weight**2).mean())


def test_a_thousand_steps_leave_the_kernel_s_memory_flat(watch):
    images = [torch.zeros(2, 3, 4, 4)]
    run = Run(Quick(), images, steps=1300, share=0.0)
    monitor = watch(run)
    sizes = {}

    def measure(event):
        if event.step and event.step.index in (300, 1300):
            monitor.comm.sent.clear()  # the test's own wire remembers all; a real one does not
            gc.collect()
            sizes[event.step.index] = tracemalloc.get_traced_memory()[0]

    run.follow(measure)
    monitor._telling.share = 1.0
    tracemalloc.start()
    try:
        run.start().wait(120)
    finally:
        tracemalloc.stop()
    finished(monitor)
    a_step = (sizes[1300] - sizes[300]) / 1000
    assert a_step < 150, f"{a_step:.0f} bytes a step; five numbers of eight bytes are kept of each: {sizes}"
    assert len(monitor.curves) <= 24 * POINTS, "what the browser gets does not grow with the steps"
