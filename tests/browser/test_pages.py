"""Pages without a kernel in Chromium with the network off: every widget shows its picture, answers, and says nothing to anybody."""

import time

import pytest
import torch

import mimviz as mv
from mimviz.share.page import assemble, carried, place

from .pages import folder, frame, opened, until  # noqa: F401

pytestmark = pytest.mark.browser
HOSTILE = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=2">'


def test_painter_draws_the_masks_that_python_answered_and_says_why_not_others(opened):  # noqa: F811
    painter = mv.MaskPainter("astronaut", title=HOSTILE)
    painter.wait()
    page = opened(painter)
    page.wait_for_selector('.mv-painter[data-exact="true"]')
    assert page.evaluate("window.pwned") is None
    assert page.locator(".mv-title").inner_text() == HOSTILE
    assert page.title() == HOSTILE
    assert page.locator("[data-action=open]").is_disabled()
    assert page.locator("[data-action=open]").get_attribute("title") == "Needs the kernel: another picture"
    before = page.locator(".mv-parts").inner_text()
    page.locator("[aria-label=Seed]").fill("2")
    page.keyboard.press("Tab")
    page.locator("[data-action=draw]").click()
    until(page, "before => document.querySelector('.mv-parts').innerText !== before", before)
    assert page.locator(".mv-state").inner_text() == "exact"
    box = page.locator(frame("masked")).bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 90, steps=5)
    page.mouse.up()
    page.get_by_text("No answer to this mask").first.wait_for()
    page.locator("[data-action=undo]").click()
    page.locator(".mv-problem").wait_for(state="hidden")
    assert page.locator(".mv-state").inner_text() == "exact"


def test_explorer_has_every_layer_token_and_part(opened):  # noqa: F811
    model = mv.load_mim("tiny")
    page = opened(mv.AttentionExplorer(model, "cat", mask=mv.Mask.random(model.grid)), scheme="dark", width=480)
    page.get_by_text("certificate: exact").wait_for()
    state = page.locator(".mv-state")
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    visible = next(i for i, hidden in enumerate(mv.Mask.random(model.grid).array.ravel()) if not hidden)
    row, col = divmod(visible, model.grid.cols)
    box = page.locator(frame("query")).bounding_box()
    page.mouse.move(
        box["x"] + (col + 0.5) * box["width"] / model.grid.cols,
        box["y"] + (row + 0.5) * box["height"] / model.grid.rows,
    )
    page.get_by_text(f"from patch {row + 1},{col + 1}").first.wait_for()
    until(page, "() => document.querySelector('.mv-state').innerText.startsWith('coarse')")
    page.mouse.click(
        box["x"] + (col + 0.5) * box["width"] / model.grid.cols,
        box["y"] + (row + 0.5) * box["height"] / model.grid.rows,
    )
    page.locator("[data-action=up]").click()
    page.get_by_text("Layer 3 of 4").wait_for()
    page.locator("[data-action=decoder]").click()
    page.get_by_text("Layer 2 of 2").wait_for()
    page.mouse.move(0, 0)
    until(page, "() => !document.querySelector('.mv-state').innerText.startsWith('computing')")
    assert state.inner_text().startswith(("exact", "coarse"))
    assert page.locator("[data-action=out]").is_disabled()
    page.locator(frame("query")).focus()
    page.keyboard.press("k")  # a key that asks what nobody can answer
    page.get_by_text("This needs the kernel").wait_for()


def test_inspector_has_layers_tokens_and_registers(opened):  # noqa: F811
    page = opened(mv.RegisterInspector("tiny-registers", "cat"))
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    page.locator("[aria-label=Layer]").first.fill("2")
    page.get_by_text("layer 2:").wait_for()
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    page.locator(frame("picture")).click(position={"x": 5, "y": 5})
    page.get_by_text("about patch row 1, col 1").wait_for()
    until(page, "() => document.querySelector('.mv-state').innerText === 'exact'")
    page.locator("[data-action=treat-registers]").click()
    page.get_by_text("No layer has outliers").wait_for()
    page.locator("[data-action=treat-none]").click()
    page.locator("[data-action=defects]").click()
    until(page, "() => document.querySelector('[data-frame=defects]').offsetHeight > 0")
    assert page.locator("[data-action=treat-repair]").is_disabled()


def test_comparer_shows_maps_regions_and_words(opened):  # noqa: F811
    comparer = mv.SaliencyComparer(None, ["cat"], methods=["Gradient", "Rollout"])
    comparer.wait()
    page = opened(comparer)
    page.get_by_text("2 of 2 maps").wait_for()
    page.locator("[data-action=describe]").click()
    panel = page.locator('.mv-body [data-frame^="Rollout"]').first
    box = panel.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=4)
    page.mouse.up()
    page.locator("[data-action=clear-region]").wait_for()
    assert page.locator(".mv-picker input").is_disabled()
    page.locator(".mv-menu summary").first.click()
    page.locator(".mv-tick input").first.uncheck()
    until(page, "() => document.querySelectorAll('[data-frame^=Gradient]').length === 0")


def test_board_has_its_table_films_and_files(opened):  # noqa: F811
    board = mv.JudgeBoard(None, ["cat"], methods=["Rollout"], judges=["Deletion", "Sufficiency"])
    board.wait(120)
    page = opened(board, width=700)
    page.get_by_text("6 of 6 cells").wait_for()
    page.locator('[data-cell="Rollout|Deletion"]').click()
    page.get_by_text("judged by Deletion:").wait_for()
    page.locator("[aria-label='Step of the removal']").first.fill("3")
    page.get_by_text("% gone").first.wait_for()
    with page.expect_download() as file:
        page.locator("[data-action=csv]").click()
    assert file.value.suggested_filename == "board.csv"


def test_monitor_goes_back_in_time(opened, tmp_path):  # noqa: F811
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    model = mv.recipes.mae(encoder, dim=16, depth=1)
    run = mv.Run(
        model, [torch.randn(4, 3, 16, 16)] * 4, steps=12, watch=["cat"], share=1.0, every=3, folder=tmp_path / "run"
    )
    monitor = mv.TrainingMonitor(run, lenses=["TokenNorm"])
    run.start()
    run._driver.join(60)
    time.sleep(0.5)
    monitor.wait()
    page = opened(monitor)
    page.get_by_text("step 12 of 12").first.wait_for()
    assert page.locator("[data-action=go]").is_disabled()
    assert page.locator("[data-action=branch]").is_disabled()
    page.locator("[aria-label='Moment of the training']").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    until(page, "() => /^step \\d+ \\(/.test(document.querySelector('.mv-train-when').innerText)")
    until(page, "() => !document.querySelector('.mv-parts').innerText.includes('on their way')")


def test_lab_shows_its_sentence_and_the_closer_look(opened):  # noqa: F811
    lab = mv.RecipeLab("cat", encoder="tiny")
    lab.study = "many masks"
    lab.wait()
    page = opened(lab)
    page.get_by_text("mean guess").wait_for()
    assert page.locator("[aria-label=Recipe]").first.is_disabled()
    assert page.locator("[data-action=train]").is_disabled()
    page.locator("[aria-label='Closer look']").select_option("worst mask")
    page.get_by_text("This needs the kernel").wait_for()
    assert page.locator("[aria-label='Closer look']").input_value() == "many masks"


def test_a_widget_that_nobody_knows_is_shown_as_it_is(opened):  # noqa: F811
    import traitlets as t

    class Words(mv.widgets.LiveWidget):
        _esm = """export default { render({ model, el }) {
          el.append(document.createElement('b')); el.firstChild.textContent = model.get('words'); } }"""
        _bundle = "words"
        words = t.Unicode(HOSTILE).tag(sync=True)

    page = opened(Words())
    assert page.locator("b").inner_text() == HOSTILE
    assert page.evaluate("window.pwned") is None


def test_one_page_holds_many_widgets_of_one_kind(opened):  # noqa: F811
    painters = [mv.MaskPainter(name, title=name) for name in ("cat", "coffee")]
    widgets = {f"w{i}": carried(painter) for i, painter in enumerate(painters)}
    page = opened(assemble("two", "".join(map(place, widgets)), widgets))
    until(page, "() => document.querySelectorAll('[data-exact=true]').length === 2")
    assert page.locator(".mv-title").all_inner_texts() == ["cat", "coffee"]
    for painter in painters:
        painter.close()
