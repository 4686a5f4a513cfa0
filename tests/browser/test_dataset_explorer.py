"""DatasetExplorer as a person uses it, in a real JupyterLab: points drawn, sorted, filtered, picked, opened."""

import pytest

from .jupyter import Notebook

pytestmark = pytest.mark.browser

EXPLORER = """
import tempfile, timm
torch.manual_seed(0)
looked = timm.create_model("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=2, num_classes=4).eval()
store = mv.inspect(mv.images(), looked, out=tempfile.mkdtemp() + "/store", progress=False)
explorer = mv.DatasetExplorer(store, looked)
explorer
"""


@pytest.fixture(scope="module")
def shown(notebook: Notebook):
    pytest.importorskip("jscatter")
    notebook.run(EXPLORER)
    root = notebook.page.locator(".mv-gallery").last
    root.locator(".mv-gallery-item").first.wait_for()
    root.scroll_into_view_if_needed()
    return root


def test_sorted_filtered_picked_and_opened(notebook, shown, screenshots):
    page = notebook.page
    assert shown.locator(".mv-gallery-item img").count() == min(24, int(notebook.ask("print(store.rows)")))
    shown.get_by_label("Sort by").select_option("norm_1_max")
    shown.get_by_role("button", name="Lowest first").click()
    best = notebook.ask("explorer.wait(); print(store.column('norm_1_max').argmax())")
    page.wait_for_function(
        "([root, row]) => root.querySelector('.mv-gallery-item')?.dataset.row === row",
        arg=[shown.element_handle(), best],
    )
    shown.locator(".mv-gallery-item").first.click()
    shown.locator(".mv-gallery-picked img").wait_for()
    assert (
        notebook.ask("print(explorer.picked, explorer._at[explorer.scatter.widget.selection].tolist())")
        == f"{best} [{best}]"
    )
    shown.get_by_label("Filter by").select_option("norm_1_max")
    least = notebook.ask("print(round(float(np.median(store.column('norm_1_max'))), 3))")
    shown.get_by_label("At least").press_sequentially(least)
    shown.get_by_label("At least").press("Enter")
    shown.locator(".mv-gallery-chips .mv-toggle").wait_for()
    half = notebook.ask("explorer.wait(); print(len(explorer.rows))")
    shown.get_by_role("status").filter(has_text=f"{half} of ").wait_for()
    for theme, dark in (("JupyterLab Dark", "True"), ("JupyterLab Light", "False")):
        notebook.theme(theme)
        page.wait_for_timeout(500)
        assert notebook.ask("print(explorer.gallery.dark)") == dark
        page.screenshot(path=screenshots / f"dataset_{theme.split()[-1].lower()}.png")
    before = page.locator(".mv-explorer").count()  # those of other tests are on the page, too
    shown.get_by_role("button", name="attention explorer").click()
    page.wait_for_function("before => document.querySelectorAll('.mv-explorer').length > before", arg=before)
    assert notebook.ask("print(type(explorer.children[-1]).__name__)") == "AttentionExplorer"


def test_a_click_on_a_point_picks_its_picture(notebook, shown):
    """Somewhere on the canvas there is a point: the selected one is where its coordinates say."""
    notebook.ask(
        "explorer.filter(norm_1_max=None); explorer.picked = None; explorer.scatter.selection([]); explorer.wait()"
    )
    notebook.ask("explorer.scatter.widget.selection = np.array([2], np.uint32)")
    assert notebook.ask("print(explorer.picked == explorer._at[2])") == "True"
    shown.locator(".mv-gallery-item[aria-selected=true]").wait_for()
