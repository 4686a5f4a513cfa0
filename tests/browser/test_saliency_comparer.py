"""SaliencyComparer as a person uses it, in a real JupyterLab."""

import csv
import io
import json

import pytest
from PIL import Image

from .jupyter import Notebook

pytestmark = pytest.mark.browser

MODEL = """
import timm
torch.manual_seed(0)
classifier = timm.create_model("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=2, num_classes=4).eval()
classifier.classes = ["tabby cat", "dog", "cat fish", "car"]
torch.nn.init.normal_(classifier.head.weight)
"""


class Shown:
    def __init__(self, notebook: Notebook, options: str = "methods=['Gradient', 'Rollout']"):
        self.notebook, self.page = notebook, notebook.page
        notebook.run(f"{MODEL}\ncomparer = mv.SaliencyComparer(classifier, photo, {options})\ncomparer")
        self.root = self.page.locator(".mv-saliency").last
        self.root.locator(".mv-state[data-state=exact]").wait_for()
        self.root.scroll_into_view_if_needed()

    def captions(self) -> list[str]:
        return self.root.locator("figcaption > :first-child").all_inner_texts()

    def drag(self, panel: int, start: tuple[float, float], end: tuple[float, float]) -> None:
        box = self.root.locator(".mv-frame").nth(panel).bounding_box()
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        self.page.mouse.move(*at[1], steps=5)
        self.page.mouse.up()
        self.page.mouse.move(2, 2)


def test_methods_and_classes_are_chosen_on_the_page(notebook):
    shown = Shown(notebook)
    assert shown.captions() == ["picture", "Gradient", "Rollout"]
    shown.root.locator("summary").click()
    shown.root.locator(".mv-tick", has_text="Chefer").locator("input").check()
    shown.root.locator("summary").click()
    shown.root.locator("[aria-label='Find a class']").fill("cat")
    shown.page.keyboard.press("Enter")
    shown.page.wait_for_function(
        "root => root.querySelectorAll('.mv-panel').length === 8 && root.querySelector('.mv-state').dataset.state === 'exact'",
        arg=shown.root.element_handle(),
    )
    chosen = json.loads(notebook.ask("import json; print(json.dumps([comparer.chosen, comparer.targets]))"))
    assert chosen == [
        ["Gradient", "Rollout", "Chefer"],
        [-1, 2],
    ]  # "cat fish" begins with the word, "tabby cat" does not
    assert int(notebook.ask("comparer.wait(); print(len(comparer.maps))")) == 6


def test_the_number_under_the_cursor_is_the_map_s(notebook):
    shown = Shown(notebook)
    box = shown.root.locator(".mv-frame").nth(2).bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] * 5.5 / 8, box["y"] + box["height"] * 2.5 / 8)
    said = shown.root.locator(".mv-panel").nth(2).locator(".mv-value").first.inner_text()
    true = float(notebook.ask("print(float(list(comparer.maps.values())[1].values[0, 2, 5]))"))
    assert float(said.replace("−", "-")) == pytest.approx(true, rel=6e-3)


def test_a_region_drawn_on_the_page_is_a_value_in_python(notebook):
    shown = Shown(notebook)
    shown.drag(1, (0.05, 0.05), (0.45, 0.95))
    line = shown.root.locator(".mv-panel").nth(2).locator(".mv-value").first
    shown.page.wait_for_function("e => e.textContent.includes('of mass inside')", arg=line.element_handle())
    assert json.loads(notebook.ask("print(comparer.region)")) == [0.0, 0.0, 1.0, 0.5]
    share = float(notebook.ask("print(list(comparer.mass().values())[1])"))
    assert float(line.inner_text().split()[0]) == pytest.approx(100 * share, abs=0.06)
    notebook.ask("comparer.region = []")
    shown.root.locator("[data-action=clear-region]").wait_for(state="hidden")


def test_files_reach_the_person(notebook, screenshots):
    shown = Shown(notebook, "methods=['Gradient', 'Rollout', 'Chefer'], target=[None, 'dog']")
    shown.drag(1, (0.2, 0.2), (0.7, 0.7))
    shown.root.locator("[data-action=describe]").click()
    saved = {}
    for name in ("csv", "png"):
        with shown.page.expect_download() as download:
            shown.root.locator(f"[data-action={name}]").click()
        assert download.value.suggested_filename == f"saliency.{name}"
        saved[name] = download.value.path().read_bytes()
    rows = list(csv.DictReader(saved["csv"].decode().splitlines()))
    mine = [row for row in rows if row["method"] == "Rollout" and row["subject"] == "dog"]
    true = json.loads(notebook.ask("print(comparer.maps[('Rollout', 'dog')].values[0].tolist())"))
    assert [[int(row["row"]), int(row["col"]), float(row["value"])] for row in mine] == [
        [i, j, pytest.approx(value, rel=1e-6)] for i, line in enumerate(true) for j, value in enumerate(line)
    ]
    (screenshots / "saliency-saved.png").write_bytes(saved["png"])
    shown.root.screenshot(path=screenshots / "saliency-on-the-page.png")
    picture = Image.open(io.BytesIO(saved["png"])).convert("RGB")
    ratio = shown.page.evaluate("2 * devicePixelRatio")
    width = shown.root.locator(".mv-frame").first.bounding_box()["width"]
    assert picture.width == pytest.approx(ratio * (32 + 4 * width + 3 * 12), abs=2)
    assert len(picture.resize((300, 300)).getcolors(90_000)) > 500


def test_a_slow_method_streams_can_be_stopped_and_goes_on(notebook):
    shown = Shown(notebook)
    notebook.run(
        "import time\nfrom mimviz.widgets.survey import Part\n"
        "class Slow:\n"
        "    def stream(self, scene):\n"
        "        for done in range(1, 41):\n"
        "            time.sleep(0.1)\n"
        "            yield Part(mv.Heatmap(torch.rand(1, 8, 8), by='slow'), done, 40, 1, done * 0.1)\n"
        "slow = mv.SaliencyComparer(classifier, photo, methods=[Slow()])\nslow"
    )
    root = shown.page.locator(".mv-saliency").last
    gauge = root.locator("progress").last
    gauge.wait_for(state="visible")
    root.locator("[data-action=stop]").click()
    root.locator(".mv-state[data-state=stopped]").wait_for()
    shown.page.wait_for_timeout(400)
    held = gauge.evaluate("gauge => gauge.value")
    shown.page.wait_for_timeout(500)
    assert gauge.evaluate("gauge => gauge.value") == held < 1
    root.locator("[data-action=stop]").click()
    root.locator(".mv-state[data-state=exact]").wait_for()
    assert "40 passes" in root.inner_text()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [None, 480])
def test_screenshots(notebook, screenshots, theme, width):
    notebook.theme(f"JupyterLab {theme}")
    shown = Shown(notebook, "methods=['Gradient', 'Rollout', 'Occlusion'], target=[None, 'dog']")
    if width:
        shown.root.evaluate("(root, width) => { root.parentElement.style.width = `${width}px`; }", width)
    shown.root.locator("[data-action=describe]").click()
    shown.drag(1, (0.2, 0.2), (0.7, 0.7))
    shown.page.wait_for_timeout(300)
    path = screenshots / f"saliency-{theme.lower()}{f'-{width}' if width else ''}.png"
    shown.root.screenshot(path=path)
    assert path.stat().st_size > 5000
    assert shown.root.evaluate("root => root.scrollWidth - root.clientWidth") <= 1
    notebook.theme("JupyterLab Light")
