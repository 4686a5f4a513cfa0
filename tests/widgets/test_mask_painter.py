import gc
import io
import json
import math
import random
import struct
import threading
import time
import weakref

import numpy as np
import pytest
import torch
import traitlets as t
from PIL import Image

from mimviz.core import Grid, Mask
from mimviz.grammar.where import STRATEGIES
from mimviz.widgets import MaskPainter

from .conftest import Grey

HALF = bytes([1, 0] * 32)


def read(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def plain(data):
    """The pixels of a small reconstruction, which comes as it is."""
    return np.frombuffer(data, np.uint8).reshape(64, 64, 3)


def test_a_new_painter_is_complete(paint, photo):
    painter = paint()
    painter.wait()
    assert (painter.rows, painter.cols, painter.height, painter.width) == (8, 8, 64, 64)
    assert painter.mask == Mask.random(Grid(8, 8, 8), ratio=0.75, seed=0)
    assert painter.strategies == list(STRATEGIES)
    assert np.abs(read(painter.original) / 255 - photo.array).max() < 0.003
    assert (plain(painter.picture) == 128).all()
    assert painter.problem == {}
    report = dict(painter.report)
    assert 0 < report.pop("ms") < 1000
    assert report.pop("loss") == pytest.approx(float(painter.outcome.loss))
    assert report.pop("psnr") == pytest.approx(painter.outcome.psnr)
    assert (report.pop("events"), report.pop("runs"), report.pop("hidden")) == (1, 1, 48)
    expected = {
        "stroke": 0,
        "exact": True,
        "device": "cpu",
        "model": "grey",
        "note": "visible statistics",
        "leaks": False,
    }
    assert report == expected


def test_error_is_one_little_endian_float_per_patch(paint, photo):
    painter = paint(mask=Mask.from_array(np.eye(8)))
    painter.wait()
    error = np.array(struct.unpack("<64f", painter.error)).reshape(8, 8)
    patches = photo.array.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4)
    expected = np.sqrt(((patches - 0.5) ** 2).mean((2, 3, 4)))
    assert error[np.eye(8) == 0].tolist() == [0] * 56
    assert np.diag(error) == pytest.approx(np.diag(expected), abs=1e-5)


def test_a_mask_set_from_python_is_answered_and_sent_once(paint):
    painter = paint()
    painter.wait()
    painter.mask = mask = Mask.random(Grid(8, 8, 8), ratio=0.5, seed=3)
    painter.wait()
    assert painter.mask == mask == painter.outcome.mask
    assert painter.report["hidden"] == 32
    assert painter.comm.updates("hidden") == 1
    painter.mask = np.eye(8, dtype=bool)  # plain truth values do too
    assert painter.mask.count == 8


def test_wrong_masks_are_refused_and_nothing_is_lost(paint):
    painter = paint()
    before = painter.mask
    with pytest.raises(ValueError, match="7 x 7 patches, but this model's grid is 8 x 8"):
        painter.mask = Mask.random(Grid(7, 7, 8))
    with pytest.raises(ValueError, match="for 2 pictures"):
        painter.mask = Mask.random(Grid(8, 8, 8), batch=2)
    with pytest.raises(t.TraitError, match="3 bytes"):
        painter.hidden = b"\1\0\1"
    with pytest.raises(ValueError, match="4 x 16"):
        paint(mask=Mask.random(Grid(4, 16, 8)))
    assert painter.mask == before


def test_painting_is_readable_at_once(paint, browser):
    painter = paint()
    seen = []
    painter.observe(lambda change: seen.append(painter.mask.count), names=["hidden"])
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    assert painter.mask.array.tolist() == [[True, False] * 4] * 8
    assert type(painter.hidden) is bytes
    assert seen == [32]
    assert painter.comm.updates("hidden") == 0  # the browser has it already


def test_coarse_while_dragging_exact_on_release(paint, browser):
    painter = paint(mim := Grey(Grid(8, 8, 16)))  # 128 x 128 pixels: too many to go as they are
    painter.wait()
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    painter.wait()
    assert painter.picture.startswith(b"\xff\xd8")
    assert painter.report["stroke"] == 1
    assert not painter.report["exact"]
    assert painter.outcome.mask.count == 48  # still the last exact one
    browser(painter, dragging=False)
    painter.wait()
    assert painter.picture.startswith(b"\x89PNG")
    assert painter.report["exact"]
    assert painter.report["stroke"] == 1
    assert painter.outcome.mask == painter.mask
    assert mim.calls == 2  # letting go costs no second pass
    assert painter.report["events"] == 3


def test_one_message_is_one_question_and_a_result_is_one_message(paint, browser):
    painter = paint(mim := Grey())
    mim.before = lambda call: setattr(mim, "shade", call / 10)
    painter.wait()
    painter.comm.sent.clear()
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    painter.wait()
    assert painter.engine.events == 2
    results = [data for _, data, _ in painter.comm.sent if data["method"] == "update"]
    assert len(results) == 1
    assert set(results[0]["state"]) == {"report"}
    assert sorted(results[0]["buffer_paths"]) == [["error"], ["picture"]]


def test_a_drag_is_not_echoed_but_its_end_is_told(paint, browser):
    """Another browser on the same kernel learns the mask when the hand lets go."""
    painter = paint()
    painter.wait()
    painter.comm.sent.clear()
    for stroke in (1, 2, 3):
        browser(painter, hidden=bytes([1] * stroke + [0] * (64 - stroke)), stroke=stroke, dragging=True)
        painter.wait()
    sent = [data for _, data, _ in painter.comm.sent]
    assert not [data for data in sent if data["method"] == "echo_update"]
    assert painter.comm.updates("hidden") == 0
    browser(painter, dragging=False)
    painter.wait()
    assert painter.comm.updates("hidden") == painter.comm.updates("stroke") == 1
    (told,) = [b for _, data, b in painter.comm.sent if data["method"] == "update" and ["hidden"] in data["buffer_paths"]]
    assert bytes([1] * 3 + [0] * 61) in [bytes(each) for each in told]
    browser(painter, hidden=HALF, stroke=4, dragging=False)  # a click, no drag: echoed as ever
    painter.wait()
    assert painter.comm.updates("hidden") == 1
    assert [data for _, data, _ in painter.comm.sent if data["method"] == "echo_update" and "stroke" in data["state"]]


def test_a_coarse_answer_that_comes_after_the_hand_let_go_is_not_drawn(paint, browser):
    go = threading.Event()
    painter = paint(Grey(before=lambda call: call == 2 and go.wait(5)))
    painter.wait()
    painter.comm.sent.clear()
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    while painter.engine.runs < 2:
        time.sleep(0.001)
    browser(painter, hidden=bytes([0, 1] * 32), stroke=2, dragging=False)
    go.set()
    painter.wait()
    assert painter.report["exact"] and painter.report["stroke"] == 2
    assert painter.comm.updates("report") == 1


def test_a_fast_drag_computes_less_often_than_it_asks(paint, browser):
    painter = paint(Grey(before=lambda call: time.sleep(0.02)))
    hidden = bytearray(64)
    for stroke in range(1, 61):
        hidden[stroke] = 1
        browser(painter, hidden=bytes(hidden), stroke=stroke, dragging=True)
        time.sleep(0.002)
    painter.wait()
    assert painter.report["stroke"] == 60
    assert 2 < painter.report["runs"] < painter.report["events"] == 61


@pytest.mark.parametrize(
    ("hidden", "title"), [(bytes(64), "Nothing is hidden"), (bytes([1] * 64), "Everything is hidden")]
)
def test_nothing_and_everything_hidden_are_blank_states(paint, browser, hidden, title):
    painter = paint()
    painter.wait()
    browser(painter, hidden=hidden, stroke=1, dragging=False)
    painter.wait()
    assert painter.problem["kind"] == "blank"
    assert painter.problem["title"] == title
    assert painter.problem["hint"]
    assert (painter.picture, painter.error, painter.outcome) == (b"", b"", None)
    assert painter.report["stroke"] == 1
    assert painter.report["loss"] is None
    browser(painter, hidden=HALF, stroke=2)
    painter.wait()
    assert painter.problem == {}
    assert painter.picture


def test_an_exception_in_the_model_is_shown_and_the_mask_survives(paint, browser):
    def fails_at_two(call):
        if call == 2:
            raise RuntimeError("CUDA is out of luck") from KeyError("blocks.3")

    painter = paint(Grey(before=fails_at_two))
    painter.wait()
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    painter.wait()
    assert painter.problem["kind"] == "error"
    for part in ("RuntimeError: CUDA is out of luck", "KeyError: 'blocks.3'", "test_mask_painter.py", "fails_at_two"):
        assert part in painter.problem["text"]
    assert painter.hidden == HALF
    assert painter.report["stroke"] == 1
    browser(painter, hidden=bytes([0, 1] * 32), stroke=2, dragging=False)
    painter.wait()
    assert painter.problem == {}
    assert painter.outcome.mask == painter.mask


def test_a_mask_of_the_wrong_size_from_the_browser_is_sent_back(paint, browser):
    painter = paint()
    painter.wait()
    before = painter.hidden
    browser(painter, hidden=bytes(49), stroke=1)
    painter.wait()
    assert painter.hidden == before
    assert painter.problem["kind"] == "error"
    assert "49 patches, but this model's grid has 8 x 8 = 64" in painter.problem["text"]
    assert painter.report["stroke"] == 1
    assert painter.picture
    assert painter.comm.updates("hidden") == 1
    browser(painter, hidden=HALF, stroke=2)
    painter.wait()
    assert painter.problem == {}


def test_values_other_than_one_count_as_hidden(paint, browser):
    painter = paint()
    browser(painter, hidden=bytes([255, 0] * 32))
    assert painter.hidden == HALF


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies(paint, browser, strategy):
    painter = paint(mask=Mask.from_array(np.eye(8)))
    browser(painter, strategy=strategy, ratio=0.5, seed=7, draw=1)
    first = painter.mask
    assert first.count == 32 or (strategy == "multi-block" and 20 <= first.count <= 44)
    assert painter.comm.updates("hidden") == 1
    browser(painter, seed=8, draw=2)
    assert (painter.mask == first) == (strategy == "grid")
    browser(painter, seed=7, draw=3)
    assert painter.mask == first
    assert paint(strategy=strategy, ratio=0.5, seed=7).mask == first


def test_statistics(paint, browser):
    painter = paint()
    assert painter.normalized is False
    browser(painter, statistics="true")
    painter.wait()
    assert painter.report["leaks"] is True
    assert painter.report["note"] == "true statistics"
    painter.statistics = "visible"
    painter.wait()
    assert painter.report["leaks"] is False


def png(color, size=(90, 70)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_replaces_the_picture_and_keeps_the_mask(paint, browser):
    painter = paint()
    painter.wait()
    before = painter.hidden
    browser(painter, upload=png((255, 0, 0)), upload_name="red.png")
    painter.wait()
    assert (read(painter.original) == (255, 0, 0)).all()
    assert painter.hidden == before
    assert painter.upload == b""
    assert painter.outcome.original.array[0, 0].tolist() == pytest.approx([1, 0, 0])
    echoes = [data for _, data, _ in painter.comm.sent if data.get("method") == "echo_update"]
    assert echoes
    assert all(["upload"] not in echo["buffer_paths"] for echo in echoes)  # megabytes need not travel back


@pytest.mark.parametrize("junk", [b"plain text", png((0, 0, 0))[:60], b"\x89PNG\r\n\x1a\n"])
def test_an_upload_that_is_no_picture_is_refused(paint, browser, junk):
    painter = paint()
    painter.wait()
    before = painter.original
    browser(painter, upload=junk, upload_name="holiday.png")
    assert painter.problem["kind"] == "error"
    assert painter.problem["title"] == "holiday.png could not be opened"
    assert painter.original == before
    assert painter.upload == b""
    with pytest.raises(ValueError):
        painter.load(junk)
    assert painter.original == before


def test_load_takes_what_image_takes_and_drops_answers_about_the_old_picture(paint):
    started, go = threading.Event(), threading.Event()
    painter = paint(Grey(before=lambda call: started.set() or (call == 1 and go.wait(5))))
    started.wait(5)
    painter.load(np.zeros((64, 64, 3), np.float32))
    go.set()
    painter.wait()
    assert painter.outcome.original.array.max() == 0
    assert painter.engine.runs == 2


def test_refresh_asks_again(paint):
    painter = paint(mim := Grey())
    painter.wait()
    painter.refresh()
    painter.wait()
    assert mim.calls == 2


def test_a_report_is_json(paint, browser):
    painter = paint()
    painter.load(np.full((64, 64, 3), 0.5, np.float32))  # a perfect guess: PSNR is infinite
    painter.wait()
    assert painter.outcome.psnr == math.inf
    assert painter.report["psnr"] is None
    json.dumps(painter.report, allow_nan=False)


def test_rectangular_grids(photo):
    painter = MaskPainter(photo, Grey(Grid(4, 6, 16)))
    painter.wait()
    assert (painter.height, painter.width, len(painter.hidden), len(painter.error)) == (64, 96, 24, 96)
    assert painter.mask.array.shape == (4, 6)
    painter.close()


def test_mistakes_in_the_call(photo):
    with pytest.raises(TypeError, match=r"no argument 'titel'\. Did you mean 'title'"):
        MaskPainter(photo, Grey(), titel="x")
    with pytest.raises(TypeError, match=r"mim is Picture, but a MaskedModel .* MaskPainter\(picture, mim\)"):
        MaskPainter(Grey(), photo)
    with pytest.raises(ValueError, match="strategy is 'blocks', but there are random, block"):
        MaskPainter(photo, Grey(), strategy="blocks")
    with pytest.raises(ValueError):
        MaskPainter(photo, Grey(), ratio=1.5)


def test_a_missing_bundle_says_how_to_build_it(photo, monkeypatch):
    monkeypatch.setattr(MaskPainter, "_esm", "")
    with pytest.raises(FileNotFoundError, match="npm run build"):
        MaskPainter(photo, Grey())


def test_wait_says_so_when_the_model_is_too_slow_or_waits_for_itself(paint):
    go = threading.Event()
    painter = paint(Grey(before=lambda call: go.wait(5)))
    with pytest.raises(TimeoutError, match=r"in 0\.01 s"):
        painter.wait(0.01)
    complaints = []

    def nosy(change):
        try:
            painter.wait(1)
        except RuntimeError as error:
            complaints.append(str(error))

    painter.observe(nosy, names=["hidden", "report"])
    painter.mask = Mask.none(Grid(8, 8, 8))
    go.set()
    painter.wait()
    assert complaints
    assert all("wait for itself" in c for c in complaints)


def test_a_closed_painter_is_quiet(photo, browser):
    painter = MaskPainter(photo, Grey())
    painter.close()
    painter.close()
    painter.wait()
    painter.mask = Mask.none(Grid(8, 8, 8))
    assert painter.mask.count == 0
    assert painter.outcome is None


def test_it_shows_itself_as_a_widget(paint):
    bundle, _ = paint()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == "MaskPainter(8 x 8 patches, 48 hidden)"


def test_500_edits_from_two_sides_end_with_the_last_mask(paint, browser):
    painter = paint()
    rng = random.Random(0)
    masks = [bytes(rng.choices((0, 1), k=64)) for _ in range(500)]

    def from_browser():
        for stroke, hidden in enumerate(masks[:250], 1):
            browser(painter, hidden=hidden, stroke=stroke, dragging=stroke % 7 != 0)

    hand = threading.Thread(target=from_browser)
    hand.start()
    for hidden in masks[250:]:
        painter.mask = Mask.from_array(np.frombuffer(hidden, np.uint8).reshape(8, 8))
        if rng.random() < 0.1:
            painter.ratio = rng.random()
    hand.join()
    painter.mask = last = Mask.random(Grid(8, 8, 8), ratio=0.5, seed=99)
    painter.wait()
    assert painter.mask == painter.outcome.mask == last
    assert painter.report["stroke"] == 250
    assert painter.report["exact"]
    assert plain(painter.picture).shape == (64, 64, 3)
    assert not painter._holding_sync
    assert not painter._property_lock
    assert painter.report["runs"] <= painter.report["events"] <= 502


class Model(torch.nn.Module, Grey):
    def __init__(self):
        torch.nn.Module.__init__(self)
        Grey.__init__(self)


def test_50_closed_painters_leave_nothing_behind(photo):
    widgets, models, outcomes = [], [], []
    for _ in range(50):
        painter = MaskPainter(photo, model := Model())
        painter.wait()
        widgets.append(weakref.ref(painter))
        models.append(weakref.ref(model))
        outcomes.append(weakref.ref(painter.outcome))
        painter.close()
    del painter, model
    gc.collect()
    for kind in (widgets, models, outcomes):
        assert [ref for ref in kind if ref() is not None] == []
    end = time.perf_counter() + 2
    while any(thread.name == "mimviz-engine" for thread in threading.enumerate()) and time.perf_counter() < end:
        time.sleep(0.005)
    assert not [thread for thread in threading.enumerate() if thread.name == "mimviz-engine"]


def test_closed_in_the_middle_of_a_drag_it_lets_go_of_the_model(photo, browser):
    go = threading.Event()
    painter = MaskPainter(photo, model := Grey(before=lambda call: go.wait(5)))
    browser(painter, hidden=HALF, stroke=1, dragging=True)
    painter.close()
    gone = weakref.ref(model)
    go.set()
    del model
    end = time.perf_counter() + 2
    while gone() is not None and time.perf_counter() < end:
        gc.collect()
        time.sleep(0.005)
    assert gone() is None
    assert painter.picture == b""
