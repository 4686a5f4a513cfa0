"""Pages without a kernel, opened in Chromium with the network off."""

import time

import pytest

COLOURS = """() => [...document.querySelectorAll('.mv-frame:not(.is-empty) canvas.mv-base')].filter((canvas) => canvas.offsetHeight)
.map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size > 1;
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def opened(browser, folder, screenshots):
    """Writes a widget, closes it, opens the page; afterwards no request has left it and the console is silent."""
    contexts = []

    def open_page(widget, *, scheme="light", width=1100, timeout=20_000, **options):
        path = folder / f"page{len(list(folder.iterdir()))}.html"
        if isinstance(widget, str):
            path.write_text(widget, encoding="utf-8")
        else:
            widget.to_html(path, **options)
            widget.close()
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, reduced_motion="reduce"
        )
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.set_default_timeout(timeout)
        page.wait_for_selector("[data-ready]")
        contexts.append((context, page, said, asked, path))
        return page

    yield open_page
    for context, page, said, asked, path in contexts:
        coloured = page.evaluate(COLOURS)
        assert all(coloured), coloured
        page.screenshot(path=screenshots / f"{path.stem}.png", full_page=True)
        said = [words for words in said if "willReadFrequently" not in words]  # about the readings of these tests
        leaving = [url for url in asked if not url.startswith(("blob:", "data:")) and url != path.as_uri()]
        assert (leaving, said) == ([], []), (leaving, said)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
        context.close()


def until(page, wish, given=None, seconds=20):
    """Ask again and again: the page's policy forbids the evaluated strings that Playwright's own waiting takes."""
    end = time.monotonic() + seconds
    while not page.evaluate(wish, given):
        assert time.monotonic() < end, wish
        time.sleep(0.05)


def frame(name):
    return f'[data-frame="{name}"]'
