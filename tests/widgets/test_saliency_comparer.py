"""The comparer without a browser: what is computed, told, stopped and refused."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
import timm
import torch
import traitlets as t

from mimviz import lenses
from mimviz.core import Heatmap
from mimviz.vit import Scene
from mimviz.widgets import SaliencyComparer

from .conftest import Wire


def vit(classes=5):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=2, num_classes=classes
    )
    model.classes = [f"kind {i}" for i in range(classes)]
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


class Slow:
    """Five parts; `gate` is asked before each."""

    def __init__(self, gate=lambda done: None):
        self.gate = gate

    def __repr__(self):
        return "Slow()"

    def __eq__(self, other):
        return self is other

    __hash__ = object.__hash__

    def stream(self, scene):
        from mimviz.widgets.survey import Part

        for done in range(1, 6):
            self.gate(done)
            yield Part(Heatmap(torch.full((1, 4, 4), float(done)), by=self), done, 5, 1, 0.1)


@pytest.fixture
def compare(monkeypatch, photo):
    if not SaliencyComparer._esm:
        monkeypatch.setattr(SaliencyComparer, "_esm", "export default {}")
    made = []

    def make(model=None, picture=None, **options):
        made.append(SaliencyComparer(model or vit(), photo if picture is None else picture, **options))
        return made[-1]

    yield make
    for comparer in made:
        comparer.close()


def entries(comparer: SaliencyComparer) -> list[dict]:
    wire = comparer.comm
    assert isinstance(wire, Wire)
    return [data["state"]["entry"] for _, data, _ in wire.sent if data.get("state", {}).get("entry")]


def test_the_maps_are_those_of_the_lenses(compare, photo):
    model = vit()
    comparer = compare(model, methods=["Gradient", lenses.Rollout, lenses.Occlusion(window=2)], target="kind 3")
    comparer.wait()
    assert comparer.chosen == ["Gradient", "Rollout", "Occlusion(window=2)"]
    for lens, heat in zip((lenses.Gradient(), lenses.Rollout(), lenses.Occlusion(window=2)), comparer.maps.values(), strict=True):
        expected = lens(Scene(model, photo, target=3))
        assert torch.equal(heat.values, expected.values) and heat.signed == expected.signed
    assert comparer.report == {"device": "cpu", "models": comparer.report["models"], "finished": 3, "all": 3}
    last = {entry["method"]: entry for entry in entries(comparer)}
    assert all(entry["finished"] and entry["words"] and not entry["error"] for entry in last.values())


def test_another_method_leaves_finished_maps_alone(compare):
    comparer = compare(methods=["Gradient"])
    comparer.wait()
    before = next(iter(comparer.maps.values()))
    comparer.chosen = ["Gradient", "Rollout"]
    comparer.wait()
    assert len(comparer.maps) == 2
    assert next(iter(comparer.maps.values())) is before


def test_a_slow_method_is_held_and_goes_on_where_it_was(compare):
    comparer, asked = None, []

    def gate(done):
        asked.append(done)
        if done == 2:
            comparer.stopped = True

    slow = Slow(gate)
    comparer = compare(methods=[slow])
    comparer.wait()
    assert comparer.stopped and comparer.maps == {} and asked == [1, 2]
    comparer.stopped = False
    comparer.wait()
    assert asked == [1, 2, 3, 4, 5]
    assert float(next(iter(comparer.maps.values())).values.max()) == 5


def test_classes_models_and_pictures_make_columns(compare, photo):
    comparer = compare([vit(), vit(7)], [photo, photo], methods=["Gradient"], target=[0, "kind 2"])
    comparer.wait()
    rows = comparer.subjects["list"]
    assert len(rows) == len(comparer.maps) == 8
    assert [row["start"] for row in rows[1:]] == list(np.cumsum([row["size"] for row in rows])[:-1])
    assert comparer.originals[rows[1]["start"] :][:4] == b"\x89PNG"
    comparer.targets = [-1]
    comparer.wait()
    assert len(comparer.maps) == 4
    assert entries(comparer)[-1]["best"].startswith("kind ")


def test_a_class_of_the_second_model_goes_by_its_name(compare):
    first, second = vit(), vit()
    second.classes = second.classes[::-1]
    comparer = compare([first, second], methods=["Gradient"], target="kind 0")
    comparer.wait()
    one, two = comparer.maps.values()
    assert torch.equal(two.values, lenses.Gradient()(Scene(second, comparer._pictures[0], target=4)).values)
    assert not torch.equal(one.values, two.values)


def test_mass_in_a_region(compare, browser):
    comparer = compare(methods=["Rollout"])
    comparer.wait()
    with pytest.raises(ValueError, match="region is empty"):
        comparer.mass()
    browser(comparer, region=[0.0, 0.0, 0.5, 1.0])
    heat = next(iter(comparer.maps.values())).values[0]
    assert next(iter(comparer.mass().values())) == pytest.approx(float(heat[:2].sum() / heat.sum()))
    assert "The drawn region holds" in entries(comparer)[-1]["words"]
    for wrong in ([0.0, 0.0, 2.0, 1.0], [0.5, 0, 0.5, 1], [1.0]):
        with pytest.raises(t.TraitError, match="as shares"):
            comparer.region = wrong


def test_a_region_sends_words_and_no_maps(compare, browser):
    comparer = compare(methods=["Gradient", "Rollout", "Chefer"])
    comparer.wait()
    told = {entry["key"]: entry for entry in entries(comparer)}
    comparer.comm.sent.clear()
    browser(comparer, region=[0.0, 0.0, 0.5, 1.0])
    assert sum(len(buffer) for _, _, buffers in comparer.comm.sent for buffer in buffers) == 0
    news = entries(comparer)
    assert [set(entry) for entry in news] == [{"key", "kept", "words"}] * 3
    assert {entry["key"] for entry in news} == set(told)
    assert all(entry["words"].startswith(told[entry["key"]]["words"][:10]) for entry in news)
    assert all("The drawn region holds" in entry["words"] for entry in news)
    spent = sum(len(json.dumps(data)) for _, data, _ in comparer.comm.sent)
    assert spent < sum(len(entry["words"]) for entry in news) + 1000
    comparer.comm.sent.clear()
    browser(comparer, resend=1)  # a new view gets values and the words of the region
    values = sum(4 * entry["rows"] * entry["cols"] for entry in entries(comparer))
    assert sum(len(buffer) for _, _, buffers in comparer.comm.sent for buffer in buffers) == values > 0
    assert len(news := entries(comparer)) == 3 and all("The drawn region holds" in entry["words"] for entry in news)


def test_a_lens_that_fails_says_so_and_the_others_go_on(compare):
    def fail(done):
        raise RuntimeError("no memory for this")

    comparer = compare(methods=[Slow(fail), "Gradient"])
    comparer.wait()
    assert [name for name, _ in comparer.maps] == ["Gradient"]
    wrong = next(entry for entry in entries(comparer) if entry["error"])
    assert "no memory for this" in wrong["error"]["text"]
    assert comparer.report["finished"] == 2


def test_a_flat_map_is_explained(compare):
    comparer = compare(methods=[lenses.Gradient()], target="kind 1")
    comparer.wait()
    assert entries(comparer)[-1]["warning"] == ""
    model = vit()
    torch.nn.init.zeros_(model.head.weight)
    flat = compare(model, methods=["Gradient"])
    flat.wait()
    assert entries(flat)[-1]["warning"]


def test_a_new_view_is_told_everything_again(compare, browser):
    comparer = compare(methods=["Gradient", "Rollout"])
    comparer.wait()
    comparer.comm.sent.clear()
    browser(comparer, resend=1)
    assert [entry["method"] for entry in entries(comparer)] == ["Gradient", "Rollout"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"methods": ["Gradiend"]}, ValueError, "Gradiend"),
        ({"target": "dog"}, ValueError, "no such class"),
        ({"target": 9}, IndexError, "5 classes"),
        ({"titel": "x"}, TypeError, "Did you mean 'title'"),
        ({"picture": "nowhere.png"}, FileNotFoundError, "nowhere"),
    ],
)
def test_bad_arguments(compare, options, error, words):
    with pytest.raises(error, match=words):
        compare(**options)


def test_a_model_without_classes_is_refused(compare):
    with pytest.raises(ValueError, match="no classes"):
        compare(timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=1, num_classes=0))
    with pytest.raises(TypeError, match="timm model"):
        compare(3)


def test_the_browser_cannot_choose_what_there_is_not(compare):
    comparer = compare(methods=["Gradient"])
    comparer.wait()
    with pytest.raises(t.TraitError, match="nothing"):
        comparer.chosen = ["nothing"]
    assert comparer.chosen == ["Gradient"]


def test_closed_comparers_leave_nothing_behind(compare):
    kept = []
    for _ in range(20):
        comparer = SaliencyComparer(model := vit(), np.zeros((32, 32, 3)), methods=["Gradient", "Chefer"])
        comparer.wait()
        kept += [weakref.ref(comparer), weakref.ref(model)]
        comparer.close()
        del comparer, model
    gc.collect()
    assert sum(ref() is not None for ref in kept) == 0
