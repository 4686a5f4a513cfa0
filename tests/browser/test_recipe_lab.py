"""RecipeLab as a person uses it, in a real JupyterLab."""

import json

import pytest

from .jupyter import Notebook

pytestmark = pytest.mark.browser

ENCODER = """
def student():
    torch.manual_seed(0)
    return mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=2)
"""
SMALL = "{'recipe': 'mae', 'options': {'normalize': False, 'dim': 32, 'depth': 1}}"


class Shown:
    def __init__(self, notebook: Notebook, recipe: str = SMALL, options: str = "encoder=student()"):
        self.notebook, self.page = notebook, notebook.page
        notebook.run(f"{ENCODER}\nlab = mv.RecipeLab(photo, {recipe}, {options})\nlab")
        self.root = self.page.locator(".mv-lab").last
        self.settle()
        self.root.scroll_into_view_if_needed()

    def settle(self, state: str = "exact") -> None:
        self.root.locator(f".mv-state[data-state={state}]").wait_for()

    def until(self, expression: str, timeout: float = 20) -> None:
        self.page.wait_for_function(f"root => {expression}", arg=self.root.element_handle(), timeout=timeout * 1000)

    def value(self, code: str):
        return json.loads(self.notebook.ask(f"import json; print(json.dumps({code}))"))

    def captions(self, place: int = 0) -> list[str]:
        return self.root.locator(f"[data-place='{place}'] figcaption > :first-child").all_inner_texts()


def test_a_recipe_is_chosen_and_every_step_of_it_is_seen(notebook):
    shown = Shown(notebook)
    assert shown.captions()[:5] == ["score", "target", "encoder sees", "guess", "loss per patch"]
    shown.root.locator("[aria-label=Recipe]").first.select_option("simmim")
    shown.until("root.querySelector('.mv-labpaper').textContent.includes('SimMIM')")
    shown.until("!root.querySelector('[data-panel=score]')")
    shown.settle()
    assert shown.value("lab.recipe") == "simmim"
    box = shown.root.locator("[data-place='0'] [data-frame=loss]").bounding_box()
    row, col = shown.value("[int(i) for i in np.argwhere(lab.mask.array)[5]]")
    shown.page.mouse.move(box["x"] + box["width"] * (col + 0.5) / 8, box["y"] + box["height"] * (row + 0.5) / 8)
    said = shown.root.locator("[data-place='0'] figure", has=shown.page.locator("[data-frame=loss]")).locator(
        ".mv-value"
    )
    true = shown.value(f"float(lab.outcome.patch_loss[0, {row} * 8 + {col}])")
    shown.until("[...root.querySelectorAll('.mv-value')].some(e => /^loss \\d/.test(e.textContent))")
    assert float(said.first.inner_text().split()[-1]) == pytest.approx(true, rel=6e-3)
    shown.page.mouse.move(2, 2)


def test_words_that_do_not_fit_say_why_and_the_mend_works(notebook):
    shown = Shown(notebook, "{'recipe': 'compose'}")
    shown.until("root.querySelector('[data-slot=how] [data-refused]')")
    shown.root.locator("[data-slot=how]").select_option("MaskToken")
    shown.settle("no")
    assert "leave hidden patches out" in shown.root.locator("[data-place='0'] .mv-problem").inner_text()
    shown.until("root.querySelector('.mv-labnote').textContent.includes('decoder Linear')", timeout=60)
    shown.root.locator("[data-slot=decoder]").select_option("Linear")
    shown.settle()
    assert shown.root.locator("[data-place='0'] .mv-problem").is_hidden()
    assert "how=how.MaskToken(width=encoder.content_width)" in shown.value("lab.sentence")


def test_an_option_and_its_python(notebook):
    shown = Shown(notebook)
    entry = shown.root.locator("[aria-label='depth of the recipe, as a number']")
    entry.fill("3")
    entry.press("Enter")
    shown.until("root.querySelector('.mv-labcode').textContent.includes('depth=3')")
    assert shown.value("len(lab.model.decoder.blocks)") == 3
    assert shown.value("lab.sentence") == shown.root.locator(".mv-labcode").first.text_content()


def test_the_picture_follows_the_brush(notebook):
    shown = Shown(notebook)
    notebook.ask("lab.mask = np.zeros((8, 8), bool)")
    shown.settle("waiting")
    box = shown.root.locator("[data-frame=masked]").bounding_box()
    at = [(box["x"] + (i + 0.5) * box["width"] / 8, box["y"] + 3.5 * box["height"] / 8) for i in range(8)]
    shown.page.mouse.move(*at[1])
    shown.page.mouse.down()
    for place in at[2:6]:
        shown.page.mouse.move(*place, steps=3)
    shown.page.mouse.up()
    shown.settle()
    hidden = shown.value("[int(i) for i in lab.mask.hidden_ids[0]]")
    assert hidden == [25, 26, 27, 28, 29]
    assert shown.value("(lab.wait(), lab.outcome.mask.count)[1]") == 5
    assert shown.page.evaluate("performance.getEntriesByName('mimviz:latency').length") > 0


def test_two_sentences_on_one_mask_learn_side_by_side(notebook):
    shown = Shown(notebook, options="encoder=student(), batches=[torch.rand(2, 3, 64, 64)]")
    shown.root.locator("[data-action=compare]").click()
    shown.until("root.querySelector('[data-place=\"1\"] [data-panel=loss]')")
    shown.root.locator("[aria-label='Steps of a training, as a number']").fill("40")
    shown.root.locator("[aria-label='Steps of a training, as a number']").press("Enter")
    shown.root.locator("[data-action=train]").click()
    shown.until("root.querySelectorAll('[data-chart=curve]:not([hidden]) polyline').length === 4", timeout=60)
    shown.root.locator("[data-action=train]").click()
    shown.until("root.querySelector('[data-action=train]').textContent === 'Train'")
    notebook.ask("lab.wait()")
    rested = shown.value("[len(each) for each in lab.losses]")
    assert 2 <= min(rested) <= max(rested) < 40
    shown.root.locator("[data-action=fresh]").click()
    shown.until("root.querySelectorAll('[data-chart=curve]:not([hidden])').length === 0")
    assert shown.value("lab.losses") == [[], []]


def test_a_click_asks_which_patch_paints_this_one(notebook):
    shown = Shown(notebook, options="encoder=student(), ratio=0.5")
    shown.root.locator("[aria-label='Closer look']").select_option("which patch paints this one")
    patch = shown.value("int(lab.mask.hidden_ids[0, 3])")
    box = shown.root.locator("[data-place='0'] [data-frame=guess]").bounding_box()
    shown.page.mouse.click(
        box["x"] + (patch % 8 + 0.5) * box["width"] / 8, box["y"] + (patch // 8 + 0.5) * box["height"] / 8
    )
    shown.until(
        "root.querySelector('[aria-label=\"A closer look\"]').textContent.includes('rank correlation')", timeout=60
    )
    assert shown.value("lab.query") == patch
    assert shown.root.locator("[aria-label='A closer look'] .mv-panel").count() == 3


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [None, 480])
def test_screenshots(notebook, screenshots, theme, width):
    notebook.theme(f"JupyterLab {theme}")
    shown = Shown(notebook, "[{'recipe': 'compose'}, {'recipe': 'simmim'}]")
    if width:
        shown.root.evaluate("(root, width) => { root.parentElement.style.width = `${width}px`; }", width)
    shown.root.locator("[aria-label='Closer look']").select_option("ratio sweep")
    shown.until("root.querySelectorAll('[aria-label=\"A closer look\"] .mv-panel').length === 8", timeout=60)
    shown.page.wait_for_timeout(300)
    path = screenshots / f"recipe-lab-{theme.lower()}{f'-{width}' if width else ''}.png"
    shown.root.screenshot(path=path)
    assert path.stat().st_size > 5000
    assert shown.root.evaluate("root => root.scrollWidth - root.clientWidth") <= 1
    notebook.theme("JupyterLab Light")
