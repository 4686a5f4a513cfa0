"""MaskPainter as a person uses it, in a real JupyterLab."""

import json

import pytest

from .jupyter import Notebook

pytestmark = pytest.mark.browser


class Shown:
    """A painter on the screen: what a hand and an eye can do with it."""

    def __init__(self, notebook: Notebook, build: str = "mv.MaskPainter(photo, model)"):
        self.notebook, self.page = notebook, notebook.page
        notebook.run(f"painter = {build}\npainter")
        self.root = self.page.locator(".mv-painter").last
        self.root.wait_for()
        self.root.scroll_into_view_if_needed()

    def frame(self, panel="masked"):
        return self.root.locator(f"[data-frame={panel}]")

    def state(self, word: str) -> None:
        self.root.locator(f".mv-state[data-state={word}]").wait_for()

    def pixels(self, panel: str) -> list:
        """RGB of the picture that a panel shows: rows of columns of three bytes."""
        return self.root.locator(f"canvas[data-panel={panel}]").evaluate(
            """canvas => {
              const { width, height } = canvas;
              const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
              return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => {
                const i = 4 * (y * width + x);
                return [data[i], data[i + 1], data[i + 2]];
              }));
            }"""
        )

    def place(self, row: int, col: int, panel="masked"):
        box = self.frame(panel).bounding_box()
        return box["x"] + box["width"] * (col + 0.5) / 8, box["y"] + box["height"] * (row + 0.5) / 8

    def answered(self) -> None:
        """Until the picture for the newest change is drawn: each change leaves a mark with its number."""
        self.page.wait_for_function(
            """root => performance.getEntriesByType('mark').every(
              ({ name }) => !name.startsWith('mimviz:stroke:') || Number(name.slice(14)) <= Number(root.dataset.stroke)
            )""",
            arg=self.root.element_handle(),
        )

    def drag(self, *patches, panel="masked", release=True) -> None:
        """Press on the first patch, pass over the others, let go on the last."""
        self.page.evaluate("performance.clearMarks()")
        self.page.mouse.move(*self.place(*patches[0], panel))
        self.page.mouse.down()
        for patch in patches[1:]:
            self.page.mouse.move(*self.place(*patch, panel), steps=4)
        if release:
            self.page.mouse.up()

    def click(self, action: str) -> None:
        self.root.locator(f"[data-action={action}]").click()

    def mask(self) -> list[list[int]]:
        """As the kernel has it."""
        return json.loads(self.notebook.ask("print(painter.mask.array.astype(int).tolist())"))

    def wait_for_mask(self, expected: list[list[int]]) -> None:
        """Messages travel: give the kernel a moment."""
        for _ in range(50):
            if (mask := self.mask()) == expected:
                return
            self.page.wait_for_timeout(50)
        assert mask == expected


def rows_of(*hidden) -> list[list[int]]:
    return [[int((row, col) in hidden) for col in range(8)] for row in range(8)]


EMPTY = "mv.MaskPainter(photo, model, mask=mv.Mask.none(grid))"


def brush_of_one(painter: Shown) -> None:
    painter.root.locator("[aria-label='Brush size, as a number']").fill("1")
    painter.root.locator("[aria-label='Brush size, as a number']").press("Enter")


def test_a_drag_changes_the_reconstruction_and_the_mask_in_the_kernel(notebook):
    painter = Shown(notebook)
    painter.state("exact")
    before, mask = painter.pixels("reconstruction"), painter.mask()
    painter.click("clear")
    brush_of_one(painter)
    painter.drag((1, 1), (1, 6))
    painter.state("exact")
    assert painter.pixels("reconstruction") != before
    painted = json.loads(notebook.run("print(painter.mask.array.astype(int).tolist())"))
    assert painted != mask
    assert painted == rows_of(*[(1, col) for col in range(1, 7)])
    error = json.loads(notebook.ask("print(np.frombuffer(painter.error, '<f4').reshape(8, 8).round(3).tolist())"))
    assert [[int(value > 0) for value in row] for row in error] == painted


def test_the_reconstruction_follows_while_the_button_is_down(notebook):
    painter = Shown(notebook, EMPTY)
    brush_of_one(painter)
    painter.drag((2, 1), (2, 6), release=False)
    painter.state("coarse")
    painter.answered()
    assert painter.root.get_attribute("data-exact") == "false"
    sent = "print(np.frombuffer(painter.picture, np.uint8).reshape(64, 64, 3).tolist())"
    assert painter.pixels("reconstruction") == json.loads(notebook.ask(sent))
    painter.page.mouse.up()
    painter.state("exact")
    assert painter.root.get_attribute("data-exact") == "true"
    outcome = "print((painter.outcome.picture.array * 255).round().astype(int).tolist())"
    assert painter.pixels("reconstruction") == json.loads(notebook.ask(outcome))


def test_a_mask_from_python_repaints_and_can_be_undone(notebook):
    painter = Shown(notebook, "mv.MaskPainter(np.ones((64, 64, 3), np.float32), model, seed=3)")
    painter.state("exact")
    before = painter.mask()
    notebook.ask("painter.mask = mv.Mask.from_array(np.eye(8)); painter.wait()")
    painter.page.wait_for_function(
        "root => root.textContent.includes('hidden 8 of 64')", arg=painter.root.element_handle()
    )
    painter.state("exact")  # not before: until the mask has come it is still exact about the one before
    white = [255, 255, 255]
    pasted, masked = painter.pixels("pasted"), painter.pixels("masked")
    for picture in (pasted, masked):
        assert all((picture[y][x] == white) for y in range(64) for x in range(64) if y // 8 != x // 8)
    assert masked[4][4] != white
    assert pasted[60][60] == painter.pixels("reconstruction")[60][60]
    painter.click("undo")
    painter.wait_for_mask(before)
    painter.click("redo")
    painter.wait_for_mask(rows_of(*[(i, i) for i in range(8)]))


def test_undo_and_redo_of_strokes(notebook):
    painter = Shown(notebook, EMPTY)
    brush_of_one(painter)
    painter.drag((0, 0), (0, 2))
    painter.drag((4, 4), (6, 4))
    both = rows_of((0, 0), (0, 1), (0, 2), (4, 4), (5, 4), (6, 4))
    painter.wait_for_mask(both)
    painter.click("undo")
    painter.wait_for_mask(rows_of((0, 0), (0, 1), (0, 2)))
    painter.click("undo")
    painter.wait_for_mask(rows_of())
    painter.click("redo")
    painter.click("redo")
    painter.wait_for_mask(both)


def test_painting_with_the_keyboard(notebook):
    painter = Shown(notebook, EMPTY)
    painter.frame().focus()
    keyboard = painter.page.keyboard
    keyboard.press("Space")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    painter.state("exact")
    mask = painter.mask()
    first, second = [(r, c) for r in range(8) for c in range(8) if mask[r][c]]
    assert second == (first[0] + 1, first[1] + 1)
    keyboard.press("i")
    painter.wait_for_mask([[1 - value for value in row] for row in mask])


def test_strategies_ratio_and_seed(notebook):
    painter = Shown(notebook)
    painter.root.locator("[aria-label=Strategy]").select_option("grid")
    painter.click("draw")
    painter.wait_for_mask([[int(row % 2 or col % 2) for col in range(8)] for row in range(8)])
    painter.root.locator("[aria-label=Strategy]").select_option("random")
    painter.root.locator("[aria-label='Ratio, as a number']").fill("0.5")
    painter.root.locator("[aria-label='Ratio, as a number']").press("Enter")
    painter.root.locator("[aria-label=Seed]").fill("7")
    painter.root.locator("[aria-label=Seed]").press("Enter")
    painter.click("draw")
    expected = notebook.ask("print(mv.Mask.random(grid, ratio=0.5, seed=7).array.astype(int).tolist())")
    painter.wait_for_mask(json.loads(expected))


def test_true_statistics_only_behind_a_visible_badge(notebook):
    painter = Shown(notebook, "mv.MaskPainter(photo, tiny(normalize=True))")
    badge = painter.root.locator(".mv-leak")
    painter.state("exact")
    assert not badge.is_visible()
    note = notebook.ask("print(painter.report['note'])")
    assert note
    assert note in painter.root.inner_text()
    painter.root.locator("[aria-label='Statistics of hidden patches']").select_option("true")
    badge.wait_for()
    assert "uses the hidden pixels" in badge.inner_text()
    painter.root.locator("[aria-label='Statistics of hidden patches']").select_option("visible")
    badge.wait_for(state="hidden")


def test_an_exception_in_the_model_is_shown_and_the_mask_survives(notebook, screenshots):
    notebook.run(
        "class Moody(torch.nn.Module):\n"
        "    name, normalized, device, grid = 'moody', False, torch.device('cpu'), grid\n"
        "    def reconstruct(self, picture, mask, *, statistics='visible'):\n"
        "        if mask.array[0, 0]: raise RuntimeError('the corner is sacred')\n"
        "        return model.reconstruct(picture, mask)\n"
    )
    painter = Shown(notebook, "mv.MaskPainter(photo, Moody(), mask=mv.Mask.none(grid))")
    brush_of_one(painter)
    painter.drag((0, 0), (0, 3))
    problem = painter.root.locator(".mv-problem[data-kind=error]")
    problem.wait_for()
    assert "RuntimeError: the corner is sacred" in problem.inner_text()
    painter.root.screenshot(path=screenshots / "error.png")
    painter.wait_for_mask(rows_of((0, 0), (0, 1), (0, 2), (0, 3)))
    painter.click("erase")
    painter.drag((0, 0), (0, 0))
    painter.state("exact")
    problem.wait_for(state="hidden")
    painter.wait_for_mask(rows_of((0, 1), (0, 2), (0, 3)))


@pytest.mark.parametrize(("mask", "title"), [("none", "Nothing is hidden"), ("all", "Everything is hidden")])
def test_blank_states_say_what_to_do(notebook, screenshots, mask, title):
    painter = Shown(notebook, f"mv.MaskPainter(photo, model, mask=mv.Mask.{mask}(grid))")
    problem = painter.root.locator(".mv-problem[data-kind=blank]")
    problem.wait_for()
    assert title in problem.inner_text()
    painter.root.screenshot(path=screenshots / f"{mask}-hidden.png")


def test_opening_a_picture(notebook, tmp_path):
    painter = Shown(notebook, "mv.MaskPainter(photo, model)")
    before = painter.mask()
    notebook.ask("mv.Picture(np.full((90, 70, 3), [1.0, 0.0, 0.0])).save('red.png')")
    name = notebook.ask("import os; print(os.path.abspath('red.png'))")
    painter.root.locator("[data-file=picture]").set_input_files(name)
    painter.page.wait_for_function(
        "root => root.querySelector('[data-panel=original]').getContext('2d').getImageData(9, 9, 1, 1).data[1] === 0",
        arg=painter.root.element_handle(),
    )
    assert painter.pixels("original")[32][32] == [255, 0, 0]
    painter.wait_for_mask(before)
    (tmp_path / "holiday.png").write_text("these are words")
    painter.root.locator("[data-file=picture]").set_input_files(tmp_path / "holiday.png")
    problem = painter.root.locator(".mv-problem[data-kind=error]")
    problem.wait_for()
    assert "holiday.png" in problem.inner_text()
    assert painter.pixels("original")[32][32] == [255, 0, 0]


def test_painting_works_while_a_cell_waits_for_it(notebook):
    """Widget messages run beside a busy cell in JupyterLab, so a cell can wait for a hand."""
    painter = Shown(notebook, EMPTY)
    brush_of_one(painter)
    notebook.run(
        "import threading; painted = threading.Event(); painter.observe(lambda change: painted.set(), names=['hidden'])"
    )
    painter.drag((3, 3), (3, 3))
    assert notebook.run("print(painted.wait(5), painter.mask.count)") == "True 1"


def test_two_views_show_the_same(notebook):
    painter = Shown(notebook, EMPTY)
    brush_of_one(painter)
    notebook.run("painter")
    first, second = painter.page.locator(".mv-painter").nth(-2), painter.page.locator(".mv-painter").last
    painter.root = second
    painter.root.scroll_into_view_if_needed()
    painter.drag((3, 3), (3, 5))
    painter.state("exact")
    first.locator(".mv-state[data-state=exact]").wait_for()
    painter.root = first
    one = painter.pixels("pasted")
    painter.root = second
    assert one == painter.pixels("pasted")


def test_close_takes_it_off_the_page(notebook):
    painter = Shown(notebook)
    many = painter.page.locator(".mv-painter").count()
    notebook.run("painter.close()")
    painter.page.wait_for_function(f"document.querySelectorAll('.mv-painter').length < {many}")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [None, 480])
def test_screenshots(notebook, screenshots, theme, width):
    notebook.theme(f"JupyterLab {theme}")
    painter = Shown(notebook, "mv.MaskPainter(photo)")  # the bundled model, worth looking at
    painter.state("exact")
    if width:
        painter.root.evaluate("(root, width) => { root.parentElement.style.width = `${width}px`; }", width)
        painter.page.wait_for_timeout(200)
    painter.frame().hover(position={"x": 20, "y": 20})
    path = screenshots / f"painter-{theme.lower()}{f'-{width}' if width else ''}.png"
    painter.root.screenshot(path=path)
    box = painter.root.bounding_box()
    assert path.stat().st_size > 5000
    if width:
        assert box["width"] <= width
    overflow = painter.root.evaluate("root => root.scrollWidth - root.clientWidth")
    assert overflow <= 1  # nothing sticks out
    notebook.theme("JupyterLab Light")
