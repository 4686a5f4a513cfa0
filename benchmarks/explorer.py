"""What the attention explorer sends and how fast it follows the pointer: a real JupyterLab, a real Chromium, a ViT-B/16 at 224 px.

    python benchmarks/explorer.py [--model vit_base_patch16_224] [--peer] [--large]

`--peer` also measures model_view of bertviz on the attention of the same pass (pip install --no-deps bertviz). `--large` asks for
rows of 24 layers with 16 heads on 1,370 tokens, without a browser. The weights are random: neither bytes nor milliseconds depend on
them.
Exits with 1 when a target is missed. Needs the test dependencies and Chromium.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.jupyter import FLAGS, JupyterLab, Notebook, chromium  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

MODEL = """
import torch, timm, mimviz as mv
torch.manual_seed(0)
model = timm.create_model({model!r}, pretrained=False).eval()
"""
SHOW = "explorer = mv.AttentionExplorer(model, 'cat')\nexplorer"


@dataclass
class Row:
    """A line of the table."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def missed(self) -> bool:
        return self.limit is not None and not self.value <= self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"   (target {self.limit:,.0f}{', MISSED' if self.missed else ''})"
        return f"{self.what:<58}{self.value:>14,.1f} {self.unit:<6}{limit}"


class Wire:
    """Bytes that came over the page's websockets, all that the protocol wraps around them included."""

    def __init__(self, page):
        self.bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._weigh))

    def _weigh(self, frame) -> None:
        self.bytes += len(frame)

    def since(self, before: int) -> int:
        return self.bytes - before


def measure(model: str) -> tuple[list[Row], str]:
    """Opens, hovers, fetches all layers."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        with JupyterLab(Path(folder) / "jupyter") as lab:
            page = browser.new_page(viewport={"width": 1400, "height": 1600})
            wire = Wire(page)
            notebook = Notebook(page, lab.notebook("explorer.ipynb", "# explorer"))
            notebook.run(MODEL.format(model=model), timeout=120)
            rows = _watched(page, notebook, wire)
        found = browser.version
        browser.close()
    return rows, found


def _watched(page, notebook: Notebook, wire: Wire) -> list[Row]:
    before = wire.bytes
    notebook.run(SHOW, timeout=120)
    root = page.locator(".mv-explorer").last
    root.locator(".mv-certificate summary").wait_for(timeout=120_000)
    _quiet(page, wire)
    opening = wire.since(before)
    root.scroll_into_view_if_needed()

    before = wire.bytes
    _hover(page, root, [(3, 3)])
    root.locator(".mv-state[data-state=coarse]").wait_for(timeout=60_000)
    _quiet(page, wire)
    layer = wire.since(before)

    page.evaluate("performance.clearMeasures('mimviz:hover')")
    before = wire.bytes
    events = int(notebook.ask("print(explorer.engine.events)"))
    _hover(page, root, [(row, col) for row in range(14) for col in range(14)])
    took = sorted(page.evaluate("performance.getEntriesByName('mimviz:hover').map(({ duration }) => duration)"))
    asked = int(notebook.ask("print(explorer.engine.events)")) - events

    before = wire.bytes
    root.locator("[data-action=atlas]").click()
    root.locator("[data-action=atlas][aria-pressed=true]").wait_for(timeout=120_000)
    _quiet(page, wire)
    atlas = wire.since(before)
    page.evaluate("performance.clearMeasures('mimviz:hover')")
    _hover(page, root, [(row, col) for row in range(14) for col in range(0, 14, 2)])
    whole = sorted(page.evaluate("performance.getEntriesByName('mimviz:hover').map(({ duration }) => duration)"))
    return [
        Row("opening, front end included", opening, "bytes", 500_000),
        Row("one layer", layer, "bytes", 500_000),
        Row("all layers", layer + atlas, "bytes", 6_000_000),
        Row(f"hover to redraw, median of {len(took)}", took[len(took) // 2], "ms", 16),
        Row("hover to redraw, 95 of 100", took[int(0.95 * len(took))], "ms"),
        Row("questions to the kernel while hovering", asked, "", 0),
        Row(f"… with the overview following, median of {len(whole)}", whole[len(whole) // 2], "ms"),
        Row("… 95 of 100", whole[int(0.95 * len(whole))], "ms"),
    ]


def _hover(page, root, patches: list[tuple[int, int]], cells: int = 14) -> None:
    box = root.locator("[data-frame=query]").bounding_box()
    for row, col in patches:
        page.mouse.move(box["x"] + box["width"] * (col + 0.5) / cells, box["y"] + box["height"] * (row + 0.5) / cells)
        time.sleep(0.02)
    page.wait_for_timeout(200)


def _quiet(page, wire: Wire) -> None:
    """Until nothing has come for half a second."""
    seen = -1
    while seen != wire.bytes:
        seen = wire.bytes
        page.wait_for_timeout(500)


def peer(model: str) -> list[Row]:
    """bertviz's model_view of the same attention: the page that it puts into the notebook."""
    from bertviz import model_view

    names: dict = {}
    exec(MODEL.format(model=model), names)
    scene = names["mv"].Scene(names["model"], "cat")
    attention = [layer.detach() for layer in scene.trace.attention]
    start = time.perf_counter()
    html = model_view(attention, [str(i) for i in range(attention[0].shape[-1])], html_action="return").data
    return [
        Row("bertviz, model_view", len(html.encode()), "bytes"),
        Row("bertviz, seconds to make it", time.perf_counter() - start, "s"),
    ]


def large() -> list[Row]:
    """A layer of 16 x 1,370 x 1,370 weights is never made whole: rows come one at a time. The model is 384 wide, as a ViT-S."""
    import timm
    import torch

    import mimviz as mv

    torch.manual_seed(0)
    keywords = {"img_size": 518, "patch_size": 14, "embed_dim": 384, "depth": 24, "num_heads": 16, "num_classes": 0}
    vit = timm.create_model("vit_small_patch16_224", pretrained=False, **keywords).eval()
    start = time.perf_counter()
    explorer = mv.AttentionExplorer(vit, "cat")
    explorer.wait(600)
    opened = time.perf_counter() - start
    took = []
    for serial in range(20):
        start = time.perf_counter()
        explorer.request = {"serial": serial + 1, "part": "encoder", "layers": [], "row": f"{serial},{serial}"}
        explorer.wait()
        took.append(1000 * (time.perf_counter() - start))
    held = explorer._sides[0].scene(explorer._edits).trace.bytes
    return [
        Row("1,370 tokens, 16 heads, 24 layers: pass, statistics, certificate", opened, "s"),
        Row("… the overview", len(explorer.overview), "bytes"),
        Row("… a row of all heads", len(explorer.sheet), "bytes"),
        Row("… in the kernel, median of 20", sorted(took)[10], "ms"),
        Row("… what the pass keeps in memory", held / 2**20, "MiB"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_base_patch16_224")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    options = parser.parse_args()
    rows, browser = measure(options.model)
    print(f"{options.model}, Chromium {browser}, {platform.platform()}")
    rows += peer(options.model) if options.peer else []
    rows += large() if options.large else []
    print(*rows, sep="\n")
    if options.json:
        print(json.dumps({row.what: row.value for row in rows}))
    missed = [row.what for row in rows if row.missed]
    print(f"missed: {'; '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
