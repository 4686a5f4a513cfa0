"""What a page carries is what Python would have answered; its markup is its own, whatever anything is called."""

import base64
import hashlib
import math
import re

import numpy as np
import pytest
import torch
import traitlets as t

import mimviz as mv
from mimviz.share.answers import KNOWN, bake
from mimviz.share.page import contained, container, packed

from .pages import carried

HOSTILE = "</script><script>alert(1)</script><!--<script>\"'&"


def small(**options):
    torch.manual_seed(0)
    vit = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
    return mv.recipes.mae(vit, dim=16, depth=1, **options).eval()


@pytest.fixture
def painter():
    made = mv.MaskPainter("cat", small(normalize=False), title=HOSTILE)
    yield made
    made.close()


def answers(told, on):
    return next({str(key): steps for key, steps in g["answers"]} for g in told["groups"] if g["on"][0] == on)


def test_a_page_is_markup_of_its_own_and_lets_nothing_out(painter, tmp_path):
    page = painter.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8") == page
    assert HOSTILE not in page and "alert(1)" not in page.replace("&lt;script&gt;alert(1)", "")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#x27;", "'")
    assert policy.startswith("default-src 'none'; ") and "connect-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0] and "unsafe-eval" not in policy.replace(
        "wasm-unsafe-eval", ""
    )
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' blob:;" in policy
    assert not re.findall(r"(?:src|href)\s*=", page.replace(script, "")), "nothing is loaded from elsewhere"
    assert carried(page)["widgets"][0]["state"]["title"] == HOSTILE


def test_the_painters_answers_are_those_of_the_widget(painter):
    told = carried(painter.to_html())["widgets"][0]
    drawn, known = answers(told, "draw"), answers(told, "hidden")
    painter.strategy, painter.ratio, painter.seed = "block", 0.5, 2
    painter.draw += 1
    painter.wait()
    (step,) = drawn[str(["block", 0.5, 2])]
    assert step["hidden"] == painter.hidden
    (step,) = known[str([painter.hidden.hex(), "visible"])]
    assert (step["picture"], step["error"]) == (painter.picture, painter.error)
    assert step["report"]["loss"] == pytest.approx(painter.report["loss"])


def test_models_of_normalized_patches_carry_both_statistics():
    painter = mv.MaskPainter("cat", small(normalize=True), strategies=["random"])
    known = answers(bake(painter).told(), "hidden")
    assert {key.split()[1] for key in known} == {"'visible']", "'true']"}
    painter.close()


def test_the_explorers_layers_are_those_of_the_widget_and_stay_below_the_limit(monkeypatch):
    from mimviz.share.answers import attention_explorer

    explorer = mv.AttentionExplorer(small(), "cat", mask=mv.Mask.random(small().grid))
    told = bake(explorer).told()
    sheets = answers(told, "request")
    assert set(sheets) == {str([part, layer, ""]) for part, n in (("encoder", 2), ("decoder", 1)) for layer in range(n)}
    explorer.request = {"serial": 1, "part": "encoder", "layers": [0], "row": ""}
    explorer.wait()
    assert sheets[str(["encoder", 0, ""])][0]["sheet"] == explorer.sheet
    monkeypatch.setattr(attention_explorer, "LIMIT", 1300)
    (kept,) = answers(bake(explorer).told(), "request")
    assert kept == str(["encoder", 1, ""]), "the open layer first"
    monkeypatch.setattr(attention_explorer, "LIMIT", 10**6)
    monkeypatch.setattr(attention_explorer, "WHOLE", 10)
    rows = answers(bake(explorer).told(), "request")
    assert str(["encoder", 1, "2,3"]) in rows and str(["encoder", 1, "CLS"]) in rows
    explorer.close()


def test_an_inspector_keeps_cosines_of_all_tokens_or_says_of_how_many(monkeypatch):
    from mimviz.share.answers import register_inspector

    inspector = mv.RegisterInspector(small().encoder.vit, "cat")
    told = bake(inspector).told()
    about = answers(told, "token")
    inspector.token = "5"
    inspector.wait()
    assert about[str(["5", "none"])][0]["about"] == inspector.about
    features = answers(told, "layer")[str([0, "none"])][0]
    inspector.layer = 0
    inspector.wait()
    assert features["features"] == inspector.features
    monkeypatch.setattr(register_inspector, "LIMIT", 3000)
    baked = bake(inspector)
    assert len(answers(baked.told(), "token")) < len(about) and "evenly spaced" in baked.can[-1]
    inspector.close()


def test_widgets_that_nobody_knows_closed_ones_and_models_that_stay_in_python(painter):
    class Words(mv.widgets.LiveWidget):
        _esm = "export default {}"
        words = t.Unicode(HOSTILE).tag(sync=True)

    made = Words()
    assert carried(made.to_html())["widgets"][0]["state"]["words"] == HOSTILE
    with pytest.raises(TypeError, match="cannot think in a browser"):
        made.to_html(model=True)
    made.close()
    with pytest.raises(RuntimeError, match="was closed"):
        made.to_html()
    assert all(mv.widgets.LiveWidget in kind.__mro__ for kind in KNOWN)


def test_numbers_that_json_cannot_say_are_null():
    told = contained(
        container({"loss": math.nan, "psnr": np.float32(2), "seen": (1, 2), "data": [b"ab", memoryview(b"ab")]})
    )
    assert told == {"loss": None, "psnr": 2.0, "seen": [1, 2], "data": [b"ab", b"ab"]}
    assert packed(b"same") == packed(b"same")
