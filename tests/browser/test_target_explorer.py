"""TargetExplorer as a person uses it, in a real JupyterLab."""

import json

import pytest

pytestmark = pytest.mark.browser

CODE = """
torch.manual_seed(0)
looking = mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=1)
explorer = mv.TargetExplorer(["cat", "coffee"], ["pixels", "HOG"], encoder=looking)
explorer
"""


def test_a_patch_is_asked_about_and_every_target_answers(notebook, screenshots):
    notebook.run(CODE)
    page = notebook.page
    root = page.locator(".mv-targets").last
    root.locator(".mv-state[data-state=exact]").wait_for()
    root.scroll_into_view_if_needed()

    def value(code):
        return json.loads(notebook.ask(f"import json; print(json.dumps({code}))"))

    box = root.locator("[data-frame='picture 1']").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / 8, box["y"] + box["height"] * 1.5 / 8)
    page.wait_for_function("root => root.querySelectorAll('.is-stale').length === 0", arg=root.element_handle())
    root.locator(".mv-state[data-state=exact]").wait_for()
    assert value("explorer.query") == [1, 10]

    told = value("[[each.picture, each.patch, each.similarity] for each in explorer.nearest('HOG')]")
    pieces = root.locator("[data-target=HOG] .mv-piece")
    shown = [[int(each.get_attribute("data-picture")), int(each.get_attribute("data-patch"))] for each in pieces.all()]
    assert shown == [each[:2] for each in told]

    hovered = root.locator("[data-target=pixels] [data-frame=alike]").bounding_box()
    page.mouse.move(hovered["x"] + hovered["width"] * 0.5 / 8, hovered["y"] + hovered["height"] * 7.5 / 8)
    said = root.locator("[data-target=HOG] figure", has=page.locator("[data-frame=alike]")).locator(".mv-value").first
    page.wait_for_function("line => /^cosine/.test(line.textContent)", arg=said.element_handle())
    true = value("float(explorer.spaces['HOG'].similar(1, 10).values[1, 7, 0])")  # one hover over all targets
    assert float(said.inner_text().split()[-1]) == pytest.approx(true, abs=6e-3)

    colour = root.locator(".mv-sees tbody tr").nth(0).locator("td").nth(2).inner_text()
    assert float(colour) == pytest.approx(value("explorer.readout['pixels']['colour']"), abs=6e-3)
    root.screenshot(path=screenshots / "target_explorer.png")
    pieces.first.click()
    root.locator(".mv-state[data-state=exact]").wait_for()
    page.wait_for_function("root => root.querySelectorAll('.is-stale').length === 0", arg=root.element_handle())
    assert value("explorer.query") == told[0][:2]
    page.mouse.move(2, 2)
