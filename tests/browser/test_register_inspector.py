"""RegisterInspector as a person uses it, in a real JupyterLab."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
PLANTED = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.discover.planted import picture, register_vit
from mimviz.discover import Repair
inspector = mv.RegisterInspector(register_vit(), picture(), neurons=2, repair=Repair(steps=20, k=3.0))
inspector
"""


@pytest.fixture(scope="module")
def shown(notebook):
    notebook.run(PLANTED)
    root = notebook.page.locator(".mv-registers").last
    root.wait_for()
    root.scroll_into_view_if_needed()
    root.locator(".mv-state[data-state=exact]").wait_for()
    return root


def said(root, chart):
    return root.locator(f'figure:has([data-frame="{chart}"]) .mv-value').first


def told(notebook, code):
    return json.loads(notebook.ask(f"inspector.wait(); print(__import__('json').dumps({code}))"))


def test_outliers_are_seen_dragged_and_clicked(notebook, shown):
    page = notebook.page
    said(shown, "picture").filter(has_text="3 outliers").wait_for()
    box = shown.locator("[data-frame=histogram]").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] / 2, steps=4)
    said(shown, "picture").filter(has_text="64 outliers").wait_for()
    page.mouse.up()
    assert list(told(notebook, "inspector.thresholds")) == ["3"]
    shown.get_by_role("button", name="auto").click()
    said(shown, "picture").filter(has_text="3 outliers").wait_for()
    frame = shown.locator("[data-frame=norms]").bounding_box()
    page.mouse.click(frame["x"] + frame["width"] * 1.5 / 8, frame["y"] + frame["height"] * 1.5 / 8)
    shown.locator("h4", has_text="about patch row 2, col 2").wait_for()
    assert told(notebook, "inspector.token") == "9"


def test_the_layer_slider_needs_no_kernel(notebook, shown):
    notebook.page.mouse.move(0, 0)  # a hover would name its patch instead
    layer = shown.get_by_label("Layer", exact=True)
    layer.fill("1")
    said(shown, "picture").filter(has_text="0 outliers").wait_for()
    said(shown, "histogram").filter(has_text="no outliers").wait_for()
    layer.fill("4")
    said(shown, "picture").filter(has_text="3 outliers").wait_for()


def test_registers_and_repair_take_them_away(notebook, shown, screenshots):
    shown.locator("[data-action=treat-registers]").click()
    shown.locator("h4", has_text="2 neurons of layer 2 moved to reg 1").wait_for()
    said(shown, "after histogram").filter(has_text="no outliers").wait_for()
    shown.locator("[data-action=defects]").click()
    shown.locator("[data-frame=scatter] ellipse").nth(63).wait_for(state="attached")
    shown.screenshot(path=str(screenshots / "register_inspector.png"))
    shown.locator("[data-action=treat-repair]").click()
    shown.locator("[data-action=repair]").click()
    shown.locator("h4", has_text="repaired: 20 steps").wait_for()
    said(shown, "curve").filter(has_text="step 20 of 20").wait_for()
    assert told(notebook, "inspector.curve['ratio'][-1]") < 3
    shown.locator("[data-action=treat-none]").click()
    shown.locator("[aria-label='after the treatment']").wait_for(state="hidden")


def test_nothing_is_cut_off_in_a_narrow_cell(notebook, shown):
    shown.evaluate("root => (root.style.width = '480px')")
    notebook.page.wait_for_timeout(300)
    wide = shown.evaluate(
        """root => {
          const edge = root.getBoundingClientRect().right + 1;
          return [...root.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > edge).length;
        }"""
    )
    shown.evaluate("root => (root.style.width = '')")
    assert wide == 0


def test_a_tuned_model_stands_below_the_one_before(notebook, screenshots):
    notebook.run(
        f"{PLANTED.split('inspector =')[0]}\nbefore, after = register_vit(), register_vit()\n"
        "with torch.no_grad():\n    [block.mlp.fc2.weight.zero_() for block in after.blocks]\n"
        "inspector = mv.RegisterInspector([before, after], picture())\ninspector"
    )
    root = notebook.page.locator(".mv-registers").last
    root.locator(".mv-state[data-state=exact]").wait_for()
    root.scroll_into_view_if_needed()
    below = root.locator("[aria-label='after the treatment']")
    assert below.locator("h4").inner_text().startswith("the other model, ")
    said(root, "histogram").filter(has_text="3 of 64").wait_for()
    said(root, "after histogram").filter(has_not_text="3 of 64").wait_for()
    root.locator("[data-action=treat-none]").click()
    below.wait_for(state="hidden")
    root.locator("[data-action=treat-other]").click()
    below.locator("[data-frame='after norms'] canvas").first.wait_for()
    root.screenshot(path=screenshots / "register_inspector_two.png")
    root.evaluate("root => { root.style.width = '480px'; }")
    notebook.page.wait_for_timeout(400)
    wide = root.evaluate(
        """root => [...root.querySelectorAll('*')].filter(e => e.getClientRects().length && !e.closest('svg, .mv-live, .mv-drop'))
           .filter(e => e.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).map(e => e.className)"""
    )
    assert wide == []
    root.screenshot(path=screenshots / "register_inspector_two_480.png")
