"""A lesson as one page: run, rendered, and every widget in it alive without a kernel."""

from __future__ import annotations

import html
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .page import assemble, contained, place

VIEW = "application/vnd.jupyter.widget-view+json"
TAGS = [
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div", "dl", "dt", "em",
    "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre",
    "q", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "u", "ul", "var",
]  # fmt: skip
PLAIN = ("class", "title", "alt", "width", "height", "colspan", "rowspan", "scope", "start")


def export(
    notebook: str | Path, output: str | Path | None = None, *, model: bool = False, timeout: float = 600.0,
    progress: Callable[[str], None] = lambda words: None,
) -> Path:  # fmt: skip
    """Run a notebook in its folder and write it, with its outputs, as one HTML file that asks nothing of a network; its path.

    output: default, the notebook's name with .html, in the working directory. model: painters carry their model along, where a
    browser can run it. timeout: seconds for a cell. The notebook itself stays as it is. Raises FileNotFoundError and ValueError
    for what is no notebook, and RuntimeError that names the cell where one fails.
    """
    source = Path(notebook)
    target = Path(output) if output else Path(f"{source.stem}.html")
    book = _read(source)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {target.parent}")
    with tempfile.TemporaryDirectory(prefix="mimviz-export-") as folder:
        _run(book, source, Path(folder), model=model, timeout=timeout, progress=progress)
        files = {path.name: contained(path.read_bytes()) for path in Path(folder).iterdir()}
    progress("rendering")
    target.write_text(_page(book, source.stem, files), encoding="utf-8")
    return target


def _read(source: Path) -> Any:
    import nbformat

    if not source.is_file():
        raise FileNotFoundError(f"there is no notebook {source}")
    try:
        return nbformat.read(source, as_version=4)
    except Exception as error:
        raise ValueError(f"{source} is not a notebook that can be read: {error}") from error


def _run(
    book: Any, source: Path, folder: Path, *, model: bool, timeout: float, progress: Callable[[str], None]
) -> None:
    """Cells one after another; then the kernel writes its widgets into `folder`."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat.v4 import new_code_cell

    cells = [cell for cell in book.cells if cell.cell_type == "code" and cell.source.strip()]
    client = NotebookClient(
        book, timeout=timeout, kernel_name=book.metadata.get("kernelspec", {}).get("name", "python3"),
        resources={"metadata": {"path": str(source.resolve().parent)}},
    )  # fmt: skip
    before, now = new_code_cell(f"import mimviz.share.in_kernel as _mimviz\n_mimviz.watch(model={model})"), 0
    book.cells.insert(0, before)
    with client.setup_kernel():
        client.execute_cell(before, 0)
        for index, cell in enumerate(book.cells):
            if cell not in cells or cell is before:
                continue
            now += 1
            progress(f"cell {now} of {len(cells)}")
            try:
                client.execute_cell(cell, index, execution_count=now)
            except CellExecutionError as error:
                first = cell.source.strip().splitlines()[0]
                raise RuntimeError(
                    f"cell {now} of {source.name} ({first!r}) failed, so there is no page: {error.ename}: {error.evalue}"
                ) from error
        progress("writing the widgets")
        ask = new_code_cell(f"_mimviz.write({str(folder)!r}, {_ids(book)!r}, model={model})")
        book.cells.append(ask)
        client.execute_cell(ask, len(book.cells) - 1)
    del book.cells[0], book.cells[-1]


def _ids(book: Any) -> list[str]:
    """Of the widgets that are on display, each once."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return list(dict.fromkeys(o["data"][VIEW]["model_id"] for o in outputs if VIEW in o.get("data", {})))


def _page(book: Any, name: str, files: dict[str, Any]) -> str:
    mark = secrets.token_hex(8)  # nothing in a lesson can be taken for a place
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            if VIEW in output.get("data", {}):
                model_id = output["data"][VIEW]["model_id"]
                text = f"{mark}-{model_id}-" if model_id in files else "(a widget that needs a kernel)"
                output["data"] = {"text/plain": text}
    body, style = _rendered(book)
    widgets = {}
    for model_id, told in files.items():
        there = (
            place(model_id) if "failed" not in told else f"<p class='mimviz-error'>{html.escape(told['failed'])}</p>"
        )
        body = body.replace(f"<pre>{mark}-{model_id}-</pre>", there)
        if "failed" not in told:
            widgets[model_id] = told
    return assemble(_title(book) or name, body, widgets, head=f"<style>{style}</style>")


def _rendered(book: Any) -> tuple[str, str]:
    """(markup of all cells, made safe; style of the code)."""
    from nbconvert import HTMLExporter
    from pygments.formatters import HtmlFormatter
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.exclude_anchor_links = True
    config.TemplateExporter.exclude_input_prompt = config.TemplateExporter.exclude_output_prompt = True
    exporter = HTMLExporter(
        template_name="basic", sanitize_html=True, embed_images=True, filters={"clean_html": _clean}, config=config
    )
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    style = HtmlFormatter(style="default", nobackground=True).get_style_defs(".highlight")
    return exporter.from_notebook_node(book)[0], f"{style}\n@media (prefers-color-scheme: dark) {{ {dark} }}"


def _clean(markup: str | bytes) -> str:
    """Markup of text and outputs without anything that could run, load or send."""
    from bleach import clean

    text = markup.decode() if isinstance(markup, bytes) else str(markup)
    return clean(
        text, tags=TAGS, attributes=_harmless, protocols=["http", "https", "mailto", "data"], strip_comments=True
    )


def _harmless(tag: str, name: str, value: str) -> bool:
    if name == "href":
        return tag == "a" and value.startswith(("http://", "https://", "mailto:", "#"))
    if name == "src":
        return tag == "img" and value.startswith("data:image/")
    return name in PLAIN


def _title(book: Any) -> str:
    """The first heading."""
    lines = (line for cell in book.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")
