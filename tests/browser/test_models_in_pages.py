"""The model in the page: ONNX Runtime in Chromium, network off, answers as Python does."""

import numpy as np
import pytest

import mimviz as mv

from .pages import folder, frame, opened, until  # noqa: F401

pytest.importorskip("onnx", reason="needs mimviz[share]")
pytestmark = pytest.mark.browser
PIXELS = """(name) => { const c = document.querySelector(`[data-panel="${name}"]`); const { width, height } = c;
return [width, height, [...c.getContext('2d').getImageData(0, 0, width, height).data]]; }"""


def pixels(page, name):
    width, height, data = page.evaluate(PIXELS, name)
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


def test_a_painted_mask_is_answered_as_python_does_with_no_python(opened, tmp_path):  # noqa: F811
    mim = mv.load_mim("tiny")
    painter = mv.MaskPainter("astronaut", mim)
    page = opened(painter, model=True, timeout=60_000)
    assert len(page.content()) < 16e6
    until(page, "() => document.querySelector('.mv-painter').dataset.exact === 'true'")
    page.locator("[data-action=clear]").click()
    page.get_by_text("Nothing is hidden").first.wait_for()
    box = page.locator(frame("masked")).bounding_box()
    step = box["width"] / mim.grid.cols
    page.mouse.move(box["x"] + 3.5 * step, box["y"] + 3.5 * step)
    page.mouse.down()
    page.mouse.move(box["x"] + 12.5 * step, box["y"] + 3.5 * step, steps=12)
    page.mouse.move(box["x"] + 12.5 * step, box["y"] + 11.5 * step, steps=12)
    page.mouse.up()
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    with page.expect_download() as file:
        page.locator("[data-action=rle]").click()
    mask = mv.Mask.from_rle(file.value.path().read_text())
    assert mask.count > 15
    python = mim.reconstruct(mv.image("astronaut"), mask)
    page.locator("figcaption button", has_text="all").first.click()
    drawn = pixels(page, "reconstruction") / 255
    assert (
        np.abs(drawn - np.round(python.picture.array * 255) / 255).max() <= 1 / 255 + 1e-6
    )  # 8 bits: one step of rounding at most
    said = page.locator(".mv-parts").inner_text()
    assert f"loss {python.loss:.3g}"[:9] in said and f"{python.psnr:.1f} dB" in said and "this browser" in said


def test_the_first_answer_costs_less_than_three_seconds(opened):  # noqa: F811
    """From the page's load to the answer to a mask that nobody computed before, unpacking the runtime and the model included.

    Counted is the time that the page's thread works: what a machine takes that does nothing else meanwhile.
    """
    page = opened(mv.MaskPainter("cat", mv.load_mim("tiny")), model=True, timeout=60_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload()
    page.wait_for_selector("[data-ready]")
    page.locator("[data-action=invert]").click()
    until(page, "() => document.querySelector('.mv-parts').innerText.includes('this browser')")
    spent = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    print(f"first answer: {spent['TaskDuration']:.2f} s of work, script {spent['ScriptDuration']:.2f} s")
    assert 0.1 < spent["TaskDuration"] < 3


def test_a_knocked_out_head_is_answered_as_python_does(opened):  # noqa: F811
    explorer = mv.AttentionExplorer("tiny-classifier", "cat", layer=1, query=(3, 4))
    page = opened(explorer, model=True, timeout=60_000)
    twin = mv.AttentionExplorer("tiny-classifier", "cat", layer=1, query=(3, 4))
    twin.knock_out(heads=[(0, 2)], tokens=["CLS"])
    twin.wait()
    page.locator("[data-action=up]").click()
    page.get_by_text("Layer 1 of 4").wait_for()
    page.locator("figcaption .mv-toggle").nth(2).click()
    page.locator("[data-token=CLS]").click(modifiers=["Alt"])
    until(page, "() => document.querySelector('.mv-parts').innerText.includes('1 head and 1 token knocked out')")
    page.locator("[data-action=down]").click()
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    best = twin.report["classes"][0][0]
    page.get_by_text(best["name"].split(",")[0]).first.wait_for()
    assert f"{100 * best['p']:.1f} % (was {100 * best['before']:.1f} %)" in page.locator(".mv-explorer").inner_text()
    maps = twin.data()["models"][0]["attention"][:, 1:]
    bars = page.locator(".mv-heads .mv-bar, [class*=bar] span").all_inner_texts()
    shown = [float(text.replace("\u2212", "-")) for text in bars if text and text[0].isdigit()]
    assert any(abs(each - maps[0].max()) < 1e-3 * maps[0].max() + 1e-4 for each in shown), (shown, maps.max(1))
    twin.close()
