import gc
import io
import json
import threading
import weakref

import numpy as np
import pytest
import timm
import torch
import traitlets as t

from mimviz import recipes
from mimviz.core import Mask
from mimviz.vit import Scene, edited, encoder
from mimviz.widgets import AttentionExplorer
from mimviz.widgets.attention_bytes import decode, encode, size
from mimviz.widgets.head_statistics import head_statistics


def vit(name="vit_tiny_patch16_224", **options):
    torch.manual_seed(0)
    keywords = {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 24,
        "depth": 3,
        "num_heads": 2,
        "num_classes": 4,
        **options,
    }
    return timm.create_model(name, pretrained=False, **keywords).eval()


def masked(**options):
    torch.manual_seed(0)
    small = encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2, **options)
    return recipes.mae(small, dim=16, depth=1).eval()


@pytest.fixture(autouse=True)
def bundle(monkeypatch):
    if not AttentionExplorer._esm:  # these tests draw nothing
        monkeypatch.setattr(AttentionExplorer, "_esm", "export default {}")


@pytest.fixture
def explore(photo):
    """Makes explorers, waits for them and closes them after the test."""
    made = []

    def make(model=None, **options):
        made.append(AttentionExplorer(vit() if model is None else model, photo, **options))
        made[-1].wait()
        return made[-1]

    yield make
    for explorer in made:
        explorer.close()


def shapes(explorer, side=0, part="encoder"):
    return explorer.sides[side]["parts"][part]["layers"]


def exact(explorer, side=0):
    """The exact row of the first model as (heads, tokens)."""
    shape = shapes(explorer, side)[explorer.exact_info["layer"]]
    return np.frombuffer(explorer.exact, "<f4").reshape(shape["heads"], -1)


# --- what opens ---


def test_it_opens_with_one_row_of_everything(explore):
    explorer = explore(model := vit())
    assert (explorer.part, explorer.layer, explorer.query, explorer.version) == ("encoder", 2, "CLS", 0)
    (side,) = explorer.sides
    assert side["parts"]["encoder"]["front"] == ["CLS"]
    assert (
        shapes(explorer)
        == [{"heads": 2, "front": 1, "rows": 4, "cols": 4, "query_rows": 4, "query_cols": 4, "pool": False}] * 3
    )
    wanted = Scene(model, explorer._sides[0].picture).trace
    rows = [decode(explorer.overview[i * size(2, 1, 17, 1) :][: size(2, 1, 17, 1)], 2, 1, 17, 1) for i in range(3)]
    for layer, row in enumerate(rows):
        truth = wanted.attention[layer][0, :, :1].numpy()
        assert np.abs(row - truth)[..., 1:].max() <= 0.004 * np.ptp(truth[..., 1:], -1).max()
    assert exact(explorer) == pytest.approx(wanted.attention[-1][0, :, 0].numpy(), abs=1e-7)
    assert explorer.sheet == b""  # nobody has asked for a whole layer
    assert explorer.problem == {}


def test_the_report(explore):
    explorer = explore(model := vit())
    report = explorer.report
    assert report["certificate"]["exact"]
    assert report["certificate"]["layers"] == 3
    assert 0 < report["ms"] < 5000
    assert report["models"] == [{"name": "vit_tiny_patch16_224", "device": "cpu"}]
    logits = Scene(model, explorer._sides[0].picture).logits[0]
    assert report["classes"][0][0]["p"] == pytest.approx(float(logits.softmax(-1).max()))
    assert report["classes"][0][0]["name"] == f"class {int(logits.argmax())}"
    for value in (report, explorer.sides, explorer.overview_info, explorer.statistics_info):
        json.dumps(value, allow_nan=False)


def test_a_whole_layer_on_demand(explore, browser):
    explorer = explore(model := vit())
    browser(explorer, request={"serial": 1, "part": "encoder", "layers": [1], "row": ""})
    explorer.wait()
    assert explorer.sheet_info == {"version": 0, "part": "encoder", "layer": 1, "row": ""}
    assert len(explorer.sheet) == size(2, 17, 17, 1)
    truth = Scene(model, explorer._sides[0].picture).trace.attention[1][0].numpy()
    rows = decode(explorer.sheet, 2, 17, 17, 1)
    spread = np.ptp(truth[..., 1:], -1, keepdims=True)
    assert (np.abs(rows - truth)[..., 1:] <= spread * (255.25 / 255**2) + 1e-7).all()
    assert np.abs(rows - truth)[..., 0].max() <= 1 / 131070 + 1e-7


def test_all_layers_come_one_by_one(explore, browser):
    explorer = explore()
    before = explorer.comm.updates("sheet")
    browser(explorer, request={"serial": 1, "part": "encoder", "layers": [0, 1, 2], "row": ""})
    explorer.wait()
    assert explorer.comm.updates("sheet") - before == 3


def test_one_row_of_a_layer(explore, browser):
    explorer = explore()
    browser(explorer, request={"serial": 1, "part": "encoder", "layers": [], "row": "1,2"})
    explorer.wait()
    assert explorer.sheet_info["row"] == "1,2"
    assert len(explorer.sheet) == size(2, 1, 17, 1)


def test_moving_asks_only_for_what_is_new(explore, browser):
    explorer = explore()
    before = {name: explorer.comm.updates(name) for name in ("overview", "exact", "statistics", "sides")}
    browser(explorer, layer=0)
    explorer.wait()
    sent = {name: explorer.comm.updates(name) - count for name, count in before.items()}
    assert sent == {"overview": 0, "exact": 1, "statistics": 0, "sides": 0}
    browser(explorer, query="2,1")
    explorer.wait()
    sent = {name: explorer.comm.updates(name) - count for name, count in before.items()}
    assert sent == {"overview": 1, "exact": 2, "statistics": 0, "sides": 0}
    assert explorer._sides[0].passes == 1


# --- bytes ---


def test_bytes_of_vit_b(explore):
    """Opening, one layer and the atlas of ViT-B/16 at 224 px, as they go over the wire."""
    rows, layer = size(12, 1, 197, 1), size(12, 197, 197, 1)
    assert layer == 486_984 <= 500_000
    assert 12 * layer <= 6_000_000
    assert 12 * rows + 4 * 12 * 197 + 12 * 12 * 3 * 4 < 50_000
    explorer = explore(vit(img_size=224, patch_size=16, embed_dim=24, depth=12, num_heads=12))  # the maps of a ViT-B
    sent = sum(len(b) for kind, _, buffers in explorer.comm.sent if kind == "comm_msg" for b in buffers)
    assert sent + len(explorer.original) < 100_000


def test_encoding_keeps_rows_that_are_not_there():
    rows = np.full((2, 3, 5), np.nan, np.float32)
    rows[0, 0] = 0.5, 0.2, 0.1, 0.2, 0
    back = decode(encode(rows, 1), 2, 3, 5, 1)
    assert np.isnan(back[1]).all()
    assert np.isnan(back[0, 1:]).all()
    assert back[0, 0] == pytest.approx([0.5, 0.2, 0.1, 0.2, 0], abs=1e-3)


def test_encoding_of_nothing_but_a_sink():
    rows = np.zeros((1, 1, 5), np.float32)
    rows[..., 0] = 1
    assert decode(encode(rows, 1), 1, 1, 5, 1).tolist() == [[[1, 0, 0, 0, 0]]]


# --- statistics ---


def test_statistics_in_closed_form():
    """Uniform, own-patch and class-token heads on a 2 x 2 grid of patches 10 pixels wide."""
    N = 5
    maps = np.stack([np.full((N, N), 1 / N), np.eye(N), np.eye(N)[[0] * N]]).astype(np.float32)
    at = np.array([[np.nan, np.nan], [5, 5], [5, 15], [15, 5], [15, 15]], np.float32)
    found = head_statistics(lambda ids: maps[:, ids], np.arange(N), at, at, cls=(0,), registers=())
    assert found["entropy"] == pytest.approx([np.log(5), 0, 0], abs=1e-6)
    assert found["distance"] == pytest.approx([(0 + 10 + 10 + 10 * np.sqrt(2)) / 4, 0, 0], abs=1e-5)
    assert found["cls"] == pytest.approx([0.2, 0, 1])
    assert "registers" not in found


def test_statistics_are_sent_for_every_head(explore):
    explorer = explore(vit("vit_small_patch16_dinov3", embed_dim=32, num_heads=2, depth=2))  # four registers
    assert explorer.statistics_info["names"] == ["entropy", "distance", "cls", "registers"]
    values = np.frombuffer(explorer.statistics, "<f4").reshape(2, 4, 2)  # layers, statistics, heads
    assert np.isfinite(values).all()
    assert explorer.sides[0]["parts"]["encoder"]["front"] == ["CLS", "reg 1", "reg 2", "reg 3", "reg 4"]


# --- knocking out ---


def test_knocked_out_heads_and_tokens_change_maps_and_classes(explore, photo):
    explorer = explore(model := vit(), layer=1)
    explorer.knock_out(heads=[(0, 1)], tokens=[(1, 2), "CLS"])
    explorer.wait()
    assert explorer.version == 1
    assert explorer.edits == {"heads": [[0, "encoder", 0, 1]], "tokens": ["1,2", "CLS"]}
    assert exact(explorer)[:, [0, 1 + 4 + 2]].tolist() == [[0, 0], [0, 0]]
    with edited(model, heads={0: [1]}, tokens=[7, 0]):
        scene = Scene(model, explorer._sides[0].picture)
        now = scene.trace.attention[1][0, :, 0].numpy()
    assert exact(explorer) == pytest.approx(now, abs=1e-6)
    best = explorer.report["classes"][0][0]
    assert best["p"] == pytest.approx(float(scene.logits[0].softmax(-1).max()))
    assert best["p"] != best["before"]
    explorer.restore()
    explorer.wait()
    assert explorer.version == 2
    assert explorer.report["classes"][0][0]["p"] == pytest.approx(explorer.report["classes"][0][0]["before"])


def test_an_edit_leaves_no_trace_on_the_model(explore):
    explorer = explore(model := vit())
    before = model(torch.zeros(1, 3, 32, 32))
    explorer.knock_out(heads=[(1, 0)])
    explorer.wait()
    assert torch.equal(model(torch.zeros(1, 3, 32, 32)), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"heads": [(9, 0)]}, "layer is 9, but there are 3"),
        ({"heads": [(0, 5)]}, "head is 5, but layer 0 has 2"),
        ({"tokens": ["reg 1"]}, r"query is 'reg 1', but .* has CLS and patches"),
        ({"tokens": [(4, 0)]}, "of 4 x 4"),
    ],
)
def test_what_is_not_there_cannot_be_knocked_out(explore, edits, message):
    explorer = explore()
    with pytest.raises(ValueError, match=message):
        explorer.knock_out(**edits)
    assert explorer.edits == {}


def test_decoders_are_edited_like_encoders(explore, photo):
    model = masked()
    mask = Mask.random(model.grid, ratio=0.5, seed=1)
    explorer = explore(model, part="decoder", mask=mask, layer=0)
    untouched = explorer.data()["models"][0]["attention"]
    explorer.knock_out(heads=[(0, 0)], part="decoder")
    explorer.wait()
    now = explorer.data()["models"][0]
    assert not now["attention"].any() and now["certificate"]["exact"]
    with edited(model, part="decoder", heads={0: [0]}):
        loss = float(Scene(model, photo, mask=mask).trace.logits.loss)
    (told,) = explorer.report["losses"]
    assert told["now"] == pytest.approx(loss, rel=1e-5) and told["now"] != told["before"]
    explorer.restore()
    patch = tuple(map(int, np.argwhere(mask.array)[0]))
    explorer.knock_out(tokens=[patch])
    explorer.wait()
    number = 1 + patch[0] * 4 + patch[1]
    assert not explorer.data()["models"][0]["attention"][:, number].any() and untouched[:, number].all()
    with pytest.raises(t.TraitError, match="head 0 of layer 0 is of the decoder of model 1, which there is not"):
        explorer.edits = {"heads": [[1, "decoder", 0, 0]], "tokens": []}


def test_attention_pooling_is_one_more_layer(explore, browser):
    model = vit("vit_base_patch16_siglip_224", num_classes=4)
    explorer = explore(model)
    layers = shapes(explorer)
    assert [each["pool"] for each in layers] == [False] * 3 + [True] and explorer.layer == 3
    assert layers[3] == {"heads": 2, "front": 0, "rows": 4, "cols": 4, "query_rows": 1, "query_cols": 1, "pool": True}
    trace = Scene(model, explorer._sides[0].picture).trace
    wanted = trace.pooling.mixing.weights()[0, :, 0].numpy()
    assert np.allclose(exact(explorer), wanted, atol=1e-6), "whichever patch is asked for, the learnt query looks"
    browser(explorer, request={"serial": 1, "part": "encoder", "layers": [3], "row": ""})
    explorer.wait()
    assert explorer.sheet_info["layer"] == 3 and len(explorer.sheet) == size(2, 1, 16, 0)
    found = decode(explorer.sheet, 2, 1, 16, 0)[:, 0]
    assert np.abs(found - wanted).max() <= 0.005 * np.ptp(wanted, axis=1).max()
    assert explorer.report["certificate"]["layers"] == 4 and explorer.report["certificate"]["exact"]
    names = explorer.statistics_info["names"]
    values = np.frombuffer(explorer.statistics, "<f4").reshape(4, len(names), 2)
    entropy = -(wanted * np.log(wanted)).sum(-1)
    assert np.allclose(values[3, names.index("entropy")], entropy, atol=1e-5)
    assert np.isnan(values[3, names.index("distance")]).all() and np.isfinite(values[:3]).all()
    explorer.knock_out(heads=[(3, 1)], tokens=[(0, 2)])
    explorer.wait()
    now = explorer.data()["models"][0]
    assert not now["attention"][1].any() and now["attention"][0, 2] == 0 and now["certificate"]["exact"]
    assert now["classes"][0]["logit"] != pytest.approx(trace.logits[0].max().item(), rel=1e-6)


# --- other models ---


def test_a_masked_model_has_both_parts_and_its_hidden_patches_no_rows(explore):
    mask = Mask.from_array(np.eye(4))
    explorer = explore(masked(), mask=mask, query=(1, 2))
    assert list(explorer.sides[0]["parts"]) == ["encoder", "decoder"]
    assert explorer.hidden == np.eye(4, dtype=np.uint8).tobytes()
    row = exact(explorer)
    assert np.isfinite(row).all()
    assert row[:, 1:].reshape(2, 4, 4)[:, np.eye(4) == 1].max() == 0
    assert row.sum(-1) == pytest.approx(1, abs=1e-5)
    explorer.look((1, 1))
    explorer.wait()
    assert np.isnan(exact(explorer)).all()
    explorer.look(part="decoder", layer=0)
    explorer.wait()
    heads = shapes(explorer, part="decoder")[0]["heads"]
    assert np.frombuffer(explorer.exact, "<f4").reshape(heads, 17).sum(-1) == pytest.approx(1, abs=1e-5)
    assert explorer.problem == {}


def test_tokens_of_a_masked_model_are_knocked_out_by_their_place(explore):
    explorer = explore(masked(), mask=Mask.from_array(np.eye(4)))
    explorer.knock_out(tokens=[(3, 2), (0, 0)])  # one that is seen, one that is hidden anyway
    explorer.wait()
    assert explorer.problem == {}
    row = exact(explorer)[:, 1:].reshape(2, 4, 4)
    assert row[:, 3, 2].max() == 0
    assert row[:, 3, 1].min() > 0
    assert explorer.report["losses"][0]["now"] != explorer.report["losses"][0]["before"]


def test_without_a_mask_a_masked_model_sees_everything(explore):
    explorer = explore(masked())
    assert explorer.hidden == b""
    assert exact(explorer)[:, 1:].min() > 0
    assert explorer.report["losses"] == [{}]


def test_two_models_of_different_grids(explore):
    explorer = explore([vit(), vit(patch_size=4, depth=4)], query=(3, 3))
    assert [side["name"] for side in explorer.sides] == ["vit_tiny_patch16_224 A", "vit_tiny_patch16_224 B"]
    assert explorer.layer == 3  # the last of the deeper one
    assert len(explorer.exact) == 4 * 2 * 65
    explorer.look(layer=1)
    explorer.wait()
    assert len(explorer.exact) == 4 * 2 * (17 + 65)
    second = Scene(explorer._sides[1].model, explorer._sides[0].picture).trace.attention[1][0]
    row = np.frombuffer(explorer.exact, "<f4")[2 * 17 :].reshape(2, 65)
    assert row == pytest.approx(second[:, 1 + 7 * 8 + 7].numpy(), abs=1e-6)  # the patch at the middle of (3, 3)


def test_windows_and_pooled_queries(explore):
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", pretrained=False, img_size=64, window_size=4, num_classes=0
    )
    explorer = explore(swin.eval(), layer=0)
    assert explorer.query == "8,8"
    assert exact(explorer).sum(-1) == pytest.approx(1, abs=1e-4)
    assert explorer.report["classes"] == [[]]
    hiera = timm.create_model("hiera_tiny_224", pretrained=False).eval()
    explorer = explore(hiera, layer=1)
    assert {"rows": 56, "query_rows": 28}.items() <= shapes(explorer)[1].items()
    assert explorer.problem == {}


# --- mistakes ---


def test_mistakes_in_the_call(photo):
    with pytest.raises(TypeError, match=r"model is Picture, but .* AttentionExplorer\(model, picture\)"):
        AttentionExplorer(photo, vit())
    with pytest.raises(TypeError, match="resnet18"):
        AttentionExplorer(timm.create_model("resnet18", pretrained=False), photo)
    with pytest.raises(ValueError, match=r"layer is 3, but there are 3: 0\.\.2"):
        AttentionExplorer(vit(), photo, layer=3)
    with pytest.raises(ValueError, match="query is 'reg 1', but vit_tiny_patch16_224 has CLS and patches"):
        AttentionExplorer(vit(), photo, query="reg 1")
    with pytest.raises(ValueError, match="part is 'decoder', but vit_tiny_patch16_224 has encoder"):
        AttentionExplorer(vit(), photo, part="decoder")
    with pytest.raises(ValueError, match="3 models"):
        AttentionExplorer([vit(), vit()], photo, compare=vit())
    with pytest.raises(ValueError, match="one shape is wanted"):
        AttentionExplorer([vit(), vit(img_size=(32, 64))], photo)
    with pytest.raises(ValueError, match="a mask is given"):
        AttentionExplorer(vit(), photo, mask=Mask.from_array(np.eye(4)))
    with pytest.raises(ValueError, match="7"):
        AttentionExplorer(masked(), photo, mask=Mask.from_array(np.eye(7)))
    with pytest.raises(TypeError, match=r"no argument 'titel'\. Did you mean 'title'"):
        AttentionExplorer(vit(), photo, titel="x")


def test_mistakes_later(explore):
    explorer = explore()
    with pytest.raises(ValueError, match="layer is -4"):
        explorer.look(layer=-4)
    with pytest.raises(ValueError, match="part is 'decoder'"):
        explorer.look(part="decoder")
    with pytest.raises(t.TraitError, match="layer is 7"):
        explorer.layer = 7
    with pytest.raises(t.TraitError, match="query is 'nobody'"):
        explorer.query = "nobody"
    with pytest.raises(ValueError, match="format is 'gif'"):
        explorer.save("heads.gif")
    assert (explorer.layer, explorer.query) == (2, "CLS")


def test_an_exception_in_the_model_is_shown_and_the_next_look_works(explore):
    explorer = explore(model := vit())
    handle = model.blocks[1].register_forward_pre_hook(lambda *_: 1 / 0)
    explorer.knock_out(heads=[(0, 0)])
    explorer.wait()
    assert explorer.problem["kind"] == "error"
    assert "ZeroDivisionError" in explorer.problem["text"]
    handle.remove()
    explorer.restore()
    explorer.wait()
    assert explorer.problem == {}
    assert explorer.report["version"] == explorer.version


# --- files ---


def test_data_and_files(explore, tmp_path):
    explorer = explore(model := vit(), layer=1, query=(0, 1))
    truth = Scene(model, explorer._sides[0].picture).trace.attention[1][0, :, 2].numpy()
    assert explorer.data()["models"][0]["attention"] == pytest.approx(truth, abs=1e-7)
    for kind in ("npz", "json", "svg", "pdf", "png"):
        explorer.save(tmp_path / f"heads.{kind}")
    with np.load(tmp_path / "heads.npz") as file:
        assert file["attention_0"] == pytest.approx(truth, abs=1e-7)
        about = json.loads(str(file["about"]))
    assert (about["layer"], about["query"], about["models"][0]["tokens"]) == (1, "0,1", ["CLS"])
    read = json.loads((tmp_path / "heads.json").read_text())
    assert np.array(read["models"][0]["attention"]) == pytest.approx(truth, abs=1e-6)
    assert (tmp_path / "heads.svg").read_text().lstrip().startswith("<?xml")
    assert (tmp_path / "heads.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "heads.png").read_bytes().startswith(b"\x89PNG")


def test_the_browser_gets_the_file_that_it_asks_for(explore):
    explorer = explore()
    explorer._handle_custom_msg({"kind": "save", "format": "npz", "view": "abc"}, [])
    _, data, buffers = explorer.comm.sent[-1]
    assert data["content"] == {"kind": "file", "view": "abc", "name": "attention.npz"}
    assert np.load(io.BytesIO(buffers[0]))["attention_0"].shape == (2, 17)
    explorer._handle_custom_msg({"kind": "save", "format": "exe"}, [])
    assert "format is 'exe'" in explorer.problem["text"]


# --- lifetimes ---


def test_many_moves_end_with_the_last(explore, browser):
    explorer = explore()
    rng = np.random.default_rng(0)

    def hand():
        for serial in range(1, 60):
            row, col, layer = rng.integers(4), rng.integers(4), int(rng.integers(3))
            browser(explorer, query=f"{row},{col}", layer=layer)
            browser(explorer, request={"serial": serial, "part": "encoder", "layers": [layer], "row": ""})

    other = threading.Thread(target=hand)
    other.start()
    for head in (0, 1, 0, 1):
        explorer.edits = {"heads": [[0, "encoder", 0, head]], "tokens": []}
    other.join()
    explorer.look((3, 2), layer=0)
    explorer.wait()
    assert explorer.exact_info == {"version": 4, "part": "encoder", "layer": 0, "query": "3,2"}
    assert explorer.overview_info == {"version": 4, "part": "encoder", "query": "3,2"}
    assert explorer.problem == {}
    assert explorer._told.layers == []


def test_a_closed_explorer_is_quiet_and_lets_go_of_its_model(photo):
    model = vit()
    explorer = AttentionExplorer(model, photo)
    explorer.wait()
    seen = weakref.ref(model)
    explorer.close()
    explorer.close()
    explorer.query = "CLS"
    del model
    gc.collect()
    assert seen() is None
    with pytest.raises(RuntimeError, match="closed"):
        explorer.data()
    assert "closed" in repr(explorer)


def test_weights_that_have_changed(explore):
    explorer = explore(model := vit())
    before = exact(explorer).copy()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    explorer.refresh()
    explorer.wait()
    assert explorer.problem == {}
    assert np.abs(exact(explorer) - before).max() > 1e-4
