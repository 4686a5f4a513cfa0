"""JudgeBoard as a person uses it, in a real JupyterLab."""

import json

import pytest

from .jupyter import Notebook

pytestmark = pytest.mark.browser

BOARD = """
import timm
torch.manual_seed(0)
judged = timm.create_model("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=2, num_classes=4).eval()
judged.classes = ["tabby cat", "dog", "<b>fish</b>", "car"]
torch.nn.init.normal_(judged.head.weight)
board = mv.JudgeBoard(judged, ["cat", "coffee"], methods=["Gradient", "Rollout"],
                      judges=[mv.judges.Deletion(steps=8), mv.judges.Sufficiency()])
board
"""


@pytest.fixture(scope="module")
def shown(notebook: Notebook):
    notebook.run(BOARD)
    root = notebook.page.locator(".mv-judge").last
    root.locator(".mv-state[data-state=exact]").wait_for()
    root.scroll_into_view_if_needed()
    return root


def test_the_table_is_the_kernel_s(notebook, shown):
    cells = shown.locator(".mv-judge-open > span:first-child").all_inner_texts()
    told = json.loads(notebook.ask("import json; print(json.dumps([f'{s.mean:.3g}' for s in board.table().values()]))"))
    assert [float(cell) for cell in cells] == pytest.approx([float(each) for each in told], rel=0.01)
    assert shown.locator(".mv-judge-tag").count() == 2 and shown.locator(".is-best").count() == 2


def test_a_number_opens_the_film_and_the_step_moves_both(notebook, shown, screenshots):
    shown.locator("[data-cell^='Rollout|Deletion']").click()
    shown.locator(".mv-judge-heading", has_text="Rollout judged by Deletion(steps=8): ").wait_for()
    panels = shown.locator(".mv-judge-film .mv-value")
    panels.nth(2).filter(has_text="gone").wait_for()
    slider = shown.get_by_label("Step of the removal", exact=True)
    slider.focus()
    slider.press("Home")
    notebook.page.wait_for_function("root => root.textContent.includes('0 % gone')", arg=shown.element_handle())
    for _ in range(4):
        slider.press("ArrowRight")
    texts = panels.all_inner_texts()
    assert len(texts) == 3 and all(text.startswith("50 % gone · ") for text in texts[1:])
    measured = float(notebook.ask("print(board.detail['films'][0]['frames'][4]['score'])"))
    assert texts[1].endswith(f"{100 * measured:.1f} %")
    assert (
        "<b>fish</b>" in notebook.ask("print(board.board.model.classes)")
        and shown.locator("b", has_text="fish").count() == 0
    )
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.theme(theme)
        shown.screenshot(path=screenshots / f"board_{theme.split()[-1].lower()}.png")


def test_sorting_and_export(notebook, shown):
    shown.locator("[data-cell='head Sufficiency']").click()
    shown.locator("[aria-sort=ascending]").wait_for()
    first = shown.locator(".mv-judge-table tbody th").first.inner_text()
    best = notebook.ask("print(min((s.mean, m) for (m, j), s in board.table().items() if j == 'Sufficiency')[1])")
    assert first.startswith(best)
    with notebook.page.expect_download() as download:
        shown.locator("[data-action=csv]").click()
    lines = download.value.path().read_text().splitlines()
    assert download.value.suggested_filename == "board.csv" and len(lines) == 1 + 4 * 2 * 2
