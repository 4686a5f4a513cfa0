import gc
import threading
import weakref

import numpy as np
import pytest
import timm
import torch
import traitlets as t

import mimviz as mv
from mimviz.discover import LOST, PCA, Defects, MassiveChannels, Outliers, RegisterNeurons, Repair
from mimviz.vit import Scene, extra_registers
from mimviz.widgets import RegisterInspector
from tests.discover.planted import LAYER, NEURONS, RED_PATCHES, at, picture, plain_vit, register_vit, state

REPAIR = Repair(steps=12, k=3.0)


@pytest.fixture
def inspect(monkeypatch):
    """Makes inspectors and closes them after the test."""
    if not RegisterInspector._esm:
        monkeypatch.setattr(RegisterInspector, "_esm", "export default {}")
    made = []

    def make(model=None, shown=None, **options):
        made.append(RegisterInspector(model or register_vit(), shown or picture(), **options))
        made[-1].wait()
        return made[-1]

    yield make
    for inspector in made:
        inspector.close()


def floats(data, *shape):
    return np.frombuffer(data, "<f4").reshape(shape)


def test_a_new_inspector_is_complete(inspect):
    model = register_vit()
    inspector = inspect(model)
    scene = Scene(model, picture())
    assert (inspector.rows, inspector.cols, inspector.depth, inspector.layer, inspector.prefix) == (8, 8, 4, 3, 1)
    assert inspector.tokens == ["CLS", "outliers"] and inspector.token == "CLS"
    norms = torch.stack([tokens[0].norm(dim=-1) for tokens in scene.trace.tokens])
    assert floats(inspector.norms, 4, 65) == pytest.approx(norms.numpy(), rel=1e-6)
    for layer, told in enumerate(inspector.modes["list"]):
        found = Outliers(layer)(scene)
        assert told["threshold"] == found.threshold and told["why"] == found.why and told["confidence"] == found.confidence
    cosine, given, taken = floats(inspector.about, 3, 4, 64)
    tokens, attention = scene.trace.tokens[2][0], scene.trace.attention[2][0].mean(0)
    want = [float(torch.nn.functional.cosine_similarity(each, tokens[0], dim=0)) for each in tokens[1:]]
    assert cosine[2] == pytest.approx(want, abs=1e-5)
    assert given[2] == pytest.approx(attention[0, 1:].numpy(), abs=1e-6)
    assert taken[2] == pytest.approx(attention[1:, 0].numpy(), abs=1e-6)
    assert inspector.box == list(LOST()(scene)[0].box)
    colours = (PCA()(scene).colours[0] * 255).round().byte().numpy()
    assert np.abs(np.frombuffer(inspector.features, np.uint8).reshape(8, 8, 3).astype(int) - colours).max() <= 1
    told = inspector.channels["list"][3][0]
    first = MassiveChannels()(scene)[0]
    assert (told["index"], told["value"], told["massive"]) == (first.index, first.value, first.massive)
    assert told["token"] in {f"row {p // 8 + 1}, col {p % 8 + 1}" for p in RED_PATCHES}
    assert inspector.report["exact"] is True and inspector.report["device"] == "cpu" and inspector.problem == {}
    assert torch.equal(inspector.outliers().mask[0], at())
    assert "layer 4 of 4" in repr(inspector)


def test_the_layer_slider_costs_no_norms(inspect, browser):
    inspector = inspect()
    sent = {name: inspector.comm.updates(name) for name in ("norms", "modes", "about", "channels")}
    browser(inspector, layer=1)
    inspector.wait()
    assert inspector.features_info["layer"] == 1
    assert sent == {name: inspector.comm.updates(name) for name in sent}
    assert inspector.engine.runs == 2


def test_tokens_by_name_and_place(inspect):
    inspector = inspect(register_vit(prefix=3), token="reg 2")
    assert inspector.tokens == ["CLS", "reg 1", "reg 2", "outliers"]
    scene = Scene(register_vit(prefix=3), picture())
    assert floats(inspector.about, 3, 4, 64)[1, 0] == pytest.approx(scene.trace.attention[0][0].mean(0)[2, 3:].numpy(), abs=1e-6)
    inspector.token = "outliers"
    inspector.wait()
    _, given, taken = floats(inspector.about, 3, 4, 64)
    rows = scene.trace.attention[2][0].mean(0)
    ids = [3 + p for p in RED_PATCHES]
    assert given[2] == pytest.approx(rows[ids, 3:].mean(0).numpy(), abs=1e-5)
    assert taken[2] == pytest.approx(rows[3:, ids].sum(1).numpy(), abs=1e-5)
    place = inspect(token=(1, 1))
    assert place.token == "9" and floats(place.about, 3, 4, 64)[0, 3, 9] == pytest.approx(1)
    place.token = "outliers"
    place.wait()
    assert np.isnan(floats(place.about, 3, 4, 64)[:, 0]).all()  # none at this layer
    pooled = inspect(plain_vit(prefix=0))
    assert pooled.tokens == ["outliers"] and pooled.prefix == 0


def test_thresholds_by_hand(inspect, browser):
    inspector = inspect()
    browser(inspector, thresholds={"0": 1.5})  # JSON has no numbers for keys
    inspector.wait()
    assert inspector.modes["list"][0]["threshold"] == 1.5 and inspector.modes["list"][1]["threshold"] > 2
    assert inspector.outliers(0).why.startswith("cut by hand")
    inspector.thresholds = {}
    inspector.wait()
    assert inspector.modes["list"][0]["threshold"] is None


def test_test_time_registers_before_and_after(inspect):
    model = register_vit()
    before = state(model)
    inspector = inspect(model, neurons=2, treatment="registers")
    info = inspector.after_info
    assert {(layer, unit) for layer, unit, _ in info["neurons"]} == {(LAYER, i) for i in NEURONS}
    assert inspector.neurons_found == RegisterNeurons(count=2)(Scene(model, picture()))
    assert info["names"] == ["CLS", "reg 1"] and [m["threshold"] for m in info["modes"]] == [None] * 4
    with extra_registers(model, inspector.neurons_found):
        inside = Scene(model, picture())
        norms = torch.stack([tokens[0].norm(dim=-1) for tokens in inside.trace.tokens])
        attention = inside.trace.attention[2][0].mean(0)
    assert floats(inspector.after, 4, 66) == pytest.approx(norms.numpy(), rel=1e-5)
    assert floats(inspector.after_about, 3, 4, 64)[1, 2] == pytest.approx(attention[0, 2:].numpy(), abs=1e-6)
    assert len(inspector.features) == 2 * 192
    assert state(model) == before
    inspector.count = 3
    inspector.wait()
    assert inspector.after_info["names"] == ["CLS", "reg 1", "reg 2", "reg 3"]
    inspector.treatment = "none"
    inspector.wait()
    assert inspector.after == b"" and inspector.after_info == {} and len(inspector.features) == 192


def test_nothing_to_move_is_said(inspect):
    inspector = inspect(shown=mv.Picture(np.full((64, 64, 3), 0.5)), treatment="registers")
    assert inspector.problem == {} and inspector.after == b""
    assert inspector.after_info["why"].startswith("No layer has outliers")
    inspector.thresholds = {2: float(floats(inspector.norms, 4, 65)[2, 1:].min()) + 1e-6}
    inspector.wait()
    assert "neurons" in inspector.after_info


def test_models_that_take_no_register_say_why_and_the_rest_is_there(inspect):
    beit = timm.create_model("beit_base_patch16_224", img_size=64, depth=1, embed_dim=24, num_heads=2).eval()
    inspector = inspect(beit, treatment="registers", thresholds={0: 0.0})
    assert "cannot be given a register" in inspector.problem["text"]
    assert len(inspector.norms) == 4 * 17 and inspector.channels["list"]
    inspector.treatment = "none"
    inspector.wait()
    assert inspector.problem == {} and inspector.features


def test_defects_come_when_they_are_wanted(inspect):
    model = register_vit()
    inspector = inspect(model)
    assert inspector.cosines == b""
    inspector.defects = True
    inspector.wait()
    got = floats(inspector.cosines, 4, 8, 8)
    for layer in range(4):
        assert got[layer] == pytest.approx(Defects(layer)(Scene(model, picture())).values[0].numpy(), abs=1e-6)


def test_a_repair_streams_ends_and_shows_what_it_made(inspect):
    model = register_vit()
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    inspector = inspect(model, repair=REPAIR)
    inspector.treatment = "repair"
    inspector.wait()
    assert inspector.after_info == {} and inspector.repaired is None
    inspector.repairing = True
    inspector.wait()
    inspector.wait()
    assert inspector.repairing is False
    curve = inspector.curve
    assert len(curve["loss"]) == len(curve["cosine"]) == curve["of"] == 12 and not curve["running"]
    assert curve["loss"][0] > 5 and curve["ratio"][-1] < 3 < curve["ratio"][0] and min(curve["cosine"]) > 0.9
    assert inspector.after_info["kind"] == "repair" and inspector.after_info["steps"] == 12
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())
    mended = Scene(inspector.repaired, picture())
    assert floats(inspector.after, 4, 65)[3] == pytest.approx(mended.trace.tokens[-1][0].norm(dim=-1).numpy(), rel=1e-5)
    inspector.treatment = "none"
    inspector.wait()
    assert inspector.curve == {} and inspector.repaired is None


def test_a_repair_can_be_stopped_and_goes_on(inspect):
    inspector = inspect(treatment="repair", repair=Repair(steps=100_000, k=3.0))
    first = threading.Event()
    inspector.observe(lambda change: first.set(), names=["curve"])
    inspector.repairing = True
    assert first.wait(20)
    inspector.repairing = False
    inspector.wait(20)
    steps = inspector.after_info["steps"]
    assert 0 < steps < 100_000
    first.clear()
    inspector.repairing = True
    assert first.wait(20)
    inspector.treatment = "none"  # looking away stops it too
    inspector.wait(20)
    assert inspector.repairing is False and inspector.after == b""


def test_two_models_stand_one_above_the_other(inspect):
    models = [register_vit(), register_vit(prefix=3)]
    with torch.no_grad():
        models[1].blocks[1].mlp.fc2.weight.mul_(0.5)
    before = [state(model) for model in models]
    inspector = inspect(models)
    assert inspector.treatment == "other" and inspector.other and inspector.after_info["names"] == ["CLS", "reg 1", "reg 2"]
    for model, name, prefix in zip(models, ("norms", "after"), (1, 3), strict=True):
        trace = Scene(model, picture()).trace
        norms = torch.stack([tokens[0].norm(dim=-1) for tokens in trace.tokens])
        assert floats(getattr(inspector, name), 4, 64 + prefix) == pytest.approx(norms.numpy(), rel=1e-6)
    given = floats(inspector.after_about, 3, 4, 64)[1]
    assert given[2] == pytest.approx(trace.attention[2][0].mean(0)[0, 3:].numpy(), abs=1e-6)
    assert len(inspector.features) == 2 * 3 * 64 and [state(model) for model in models] == before
    inspector.treatment = "registers"
    inspector.wait()
    assert inspector.after_info["kind"] == "registers" and inspector.neurons_found
    inspector.treatment = "other"
    inspector.wait()
    assert inspector.after_info["kind"] == "other" and inspector.neurons_found == ()
    assert inspect(models, treatment="none").after == b""


def test_models_that_cannot_stand_above_each_other(inspect):
    with pytest.raises(ValueError, match="there are 3 models, but one or two"):
        inspect([register_vit()] * 3)
    with pytest.raises(ValueError, match="4 blocks of 32 channels, 8 x 8 patches and 3 blocks of 32 channels, 8 x 8 patches"):
        inspect([register_vit(), plain_vit(depth=3)])
    with pytest.raises(TypeError, match="windows, stages or convolutions"):
        inspect([register_vit(), timm.create_model("resnet18")])
    with pytest.raises(t.TraitError, match="there is one model only"):
        inspect().treatment = "other"


def test_wrong_wishes_are_refused(inspect):
    with pytest.raises(IndexError, match="layer is 9, but there are 4"):
        inspect(layer=9)
    with pytest.raises(IndexError, match=r"patch \(8, 0\)"):
        inspect(token=(8, 0))
    with pytest.raises(TypeError, match="Did you mean 'treatment'"):
        inspect(treatmnt="registers")
    for name in ("resnet18", "swin_tiny_patch4_window7_224"):
        with pytest.raises(TypeError, match="windows, stages or convolutions"):
            inspect(timm.create_model(name))
    inspector = inspect()
    with pytest.raises(t.TraitError, match="token is 'reg 1'"):
        inspector.token = "reg 1"
    with pytest.raises(t.TraitError, match="layer is 4"):
        inspector.layer = 4
    broken = register_vit()
    with torch.no_grad():
        broken.patch_embed.proj.weight.fill_(float("nan"))
    nan = inspect(broken)
    assert "64 of 64 norms are NaN or infinite" in nan.problem["text"]


def test_closing_lets_go_of_the_model(inspect):
    model = register_vit()
    inspector = inspect(model, treatment="registers", neurons=2)
    gone = weakref.ref(model)
    inspector.close()
    assert inspector.neurons_found == () and inspector.repaired is None
    del model
    inspector.engine.wait(1)
    gc.collect()
    assert gone() is None
