"""A notebook as a page: run in a real kernel, its markup made safe, its widgets carried, also those that a cell has closed."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from mimviz.lab.cli import main
from mimviz.share import export

from .pages import carried

HOSTILE = (
    "<script>alert(1)</script><img src=https://example.org/x.png onerror=alert(2)><meta http-equiv=refresh content=0>"
)
SETUP = """
import torch
torch.set_num_threads(1)
import mimviz as mv
from IPython.display import HTML, display
vit = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
mim = mv.recipes.mae(vit, dim=16, depth=1).eval()
"""


def book(*cells):
    return new_notebook(
        cells=[
            new_markdown_cell(f"# A lesson\n\n{HOSTILE}\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
            *map(new_code_cell, cells),
        ]
    )


def test_a_lesson_becomes_a_page(tmp_path):
    source = tmp_path / "lesson.ipynb"
    first = "painter = mv.MaskPainter('cat', mim, strategies=['random'])\npainter"
    closed = "explorer = mv.AttentionExplorer(vit.vit, 'cat')\ndisplay(explorer)\nexplorer.close()"
    nbformat.write(
        book(
            SETUP,
            first,
            closed,
            f"HTML({HOSTILE!r} + '<table><tr><td>kept</td></tr></table>')",
            "painter.title = 'later'",
        ),
        source,
    )
    before, heard = source.read_bytes(), []
    page = export(source, tmp_path / "lesson.html", progress=heard.append).read_text("utf-8")
    assert source.read_bytes() == before and heard[0] == "cell 1 of 5" and heard[-1] == "rendering"
    told = carried(page)
    assert set(told["bundles"]) == {"mask_painter", "attention_explorer"}
    assert {each["state"].get("title") for each in told["widgets"]} == {"later", "Attention"}
    assert page.count('data-widget="') == 2 + page.count('[data-widget="')
    assert "<title>A lesson</title>" in page and "<h1" in page and "<td>kept</td>" in page and "<th>a</th>" in page
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"<(script|img[^>]*(onerror|https)|meta[^>]*refresh)", markup)
    assert "_mimviz" not in page and len(page) < 8e6


def test_a_cell_that_fails_is_named_and_nothing_is_written(tmp_path):
    source = tmp_path / "broken.ipynb"
    nbformat.write(book("1 / 0"), source)
    with pytest.raises(RuntimeError, match=r"cell 1 of broken.ipynb \('1 / 0'\) failed.*ZeroDivisionError"):
        export(source, tmp_path / "broken.html")
    assert not (tmp_path / "broken.html").exists()


def test_what_is_no_notebook(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="there is no notebook"):
        export(tmp_path / "none.ipynb")
    (tmp_path / "text.ipynb").write_text("hello")
    with pytest.raises(ValueError, match="not a notebook that can be read"):
        export(tmp_path / "text.ipynb")
    assert main(["export", "99_nothing"]) == 2
    assert "names 0 lessons: there are 01_paint_a_mask" in capsys.readouterr().err
