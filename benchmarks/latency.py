"""How fast a reconstruction follows the hand: a real JupyterLab, a real Chromium, the bundled model.

    python benchmarks/latency.py [--seconds 6] [--model tiny]

Exits with 1 when a target is missed. Needs the test dependencies and Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.jupyter import FLAGS, JupyterLab, Notebook, chromium  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SETUP = """
import json, torch, mimviz as mv
def tiny():
    vit = mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=6)
    return mv.recipes.mae(vit, dim=128, depth=2, normalize=False).eval()
mim = mv.load_mim({model!r}) if {model!r} != "untrained" else tiny()
painter = mv.MaskPainter(mv.images()[0], mim, mask=mv.Mask.none(mim.grid))
reports = []
_ = painter.observe(lambda change: reports.append(change["new"]), names=["report"])
painter
"""

# What happens in the page, on the page's own clock: changes of the mask, pictures drawn, buttons let go, exact pictures.
WATCH = """root => {
  const seen = window.seen = { strokes: [], pictures: [], releases: [], exact: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name.startsWith('mimviz:stroke:')) seen.strokes.push([Number(entry.name.slice(14)), entry.startTime]);
      if (entry.name === 'mimviz:latency') {
        seen.pictures.push([entry.detail.stroke, entry.startTime + entry.duration, entry.duration, entry.detail.bytes]);
      }
    }
  }).observe({ entryTypes: ['mark', 'measure'] });
  addEventListener('pointerup', () => seen.releases.push(performance.now()), true);
  new MutationObserver(() => {
    if (root.dataset.exact === 'true') seen.exact.push([Number(root.dataset.stroke), performance.now()]);
  }).observe(root, { attributes: true, attributeFilter: ['data-exact', 'data-stroke'] });
}"""


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
        target = "" if self.limit is None else f"<= {self.limit:6.1f}   {'MISSED' if self.missed else 'ok'}"
        return f"{self.what:<58} {self.value:9.1f} {self.unit:<3} {target}"


EXACT = "root => root.querySelector('.mv-state').dataset.state === 'exact'"


def drag(page, root, grid: tuple[int, int], seconds: float) -> None:
    """Hide nearly all patches row by row, show them again, and so on: a patch per event, as fast as the page takes them."""
    box = root.locator("[data-frame=masked]").bounding_box()
    rows, cols = grid
    columns = [(col + 0.5) / cols for col in range(cols)]
    path = [(x, (row + 0.5) / rows) for row in range(rows) for x in (columns[::-1] if row % 2 else columns)]
    path = path[:-2]  # never everything
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for button in ("left", "right"):  # the right button shows what the left one hides
            way = path if button == "left" else path[:1:-1]
            page.mouse.move(*_point(box, way[0]))
            page.mouse.down(button=button)
            for point in way[1:]:
                page.mouse.move(*_point(box, point))
                time.sleep(0.008)  # a mouse speaks about 125 times a second
            page.mouse.up(button=button)
            page.wait_for_function(EXACT, arg=root.element_handle())  # as a person does who looks at the result


def _point(box: dict, point: tuple[float, float]) -> tuple[float, float]:
    return box["x"] + box["width"] * point[0], box["y"] + box["height"] * point[1]


def measure(model: str, seconds: float) -> tuple[dict, list[dict], list[int], str]:
    """What the page saw, the kernel's reports, the sizes of the messages with pictures, and the browser's version."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        with JupyterLab(Path(folder) / "jupyter") as lab:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            sizes: list[int] = []
            page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: _weigh(frame, sizes)))
            notebook = Notebook(page, lab.notebook("latency.ipynb", "# latency"))
            notebook.run(SETUP.format(model=model), timeout=120)
            root = page.locator(".mv-painter").last
            root.locator("[aria-label='Brush size, as a number']").fill("1")
            root.locator("[aria-label='Brush size, as a number']").press("Enter")
            root.scroll_into_view_if_needed()
            grid = tuple(json.loads(notebook.ask("print([painter.rows, painter.cols])")))
            drag(page, root, grid, 0.1)  # warm up
            notebook.ask("reports.clear()")
            sizes.clear()
            root.evaluate(WATCH)
            drag(page, root, grid, seconds)
            page.wait_for_timeout(500)
            seen = page.evaluate("window.seen")
            reports = json.loads(notebook.ask("print(json.dumps(reports))"))
        found = browser.version
        browser.close()
    return seen, reports, sizes, found


def _weigh(frame, sizes: list[int]) -> None:
    """The bytes of a message that brings a picture, with all that the protocol wraps around it."""
    if isinstance(frame, bytes) and b'"buffer_paths"' in frame and b'["picture"]' in frame:
        sizes.append(len(frame))


def table(seen: dict, reports: list[dict], sizes: list[int]) -> list[Row]:
    answered = sorted(duration for _, _, duration, _ in seen["pictures"])
    covered = [  # each change of the mask waits for the first picture that knows of it
        min(end for number, end, *_ in seen["pictures"] if number >= stroke) - start
        for stroke, start in seen["strokes"]
        if any(number >= stroke for number, *_ in seen["pictures"])
    ]
    compute = statistics.median(report["ms"] for report in reports)
    stale = [
        min(at for _, at in seen["exact"] if at >= release) - release
        for release in seen["releases"]
        if any(at >= release for _, at in seen["exact"])
    ]
    runs = reports[-1]["runs"] - reports[0]["runs"]
    lost = len(seen["strokes"]) - len(covered) + len(seen["releases"]) - len(stale)
    return [
        Row("pointer event -> its picture, p50", _share(answered, 0.5), "ms"),
        Row("pointer event -> its picture, p95", _share(answered, 0.95), "ms", 120),
        Row("pointer event -> first picture with it, all events, p50", _share(covered, 0.5), "ms"),
        Row("pointer event -> first picture with it, all events, p95", _share(covered, 0.95), "ms", 120),
        Row("bytes per update on the wire, median", statistics.median(sizes) / 1000, "kB"),
        Row("bytes per update on the wire, max", max(sizes) / 1000, "kB", 20),
        Row("one pass of the model, median", compute, "ms"),
        Row("button up -> exact picture, median", statistics.median(stale), "ms"),
        Row("button up -> exact picture, max", max(stale), "ms", compute + 50),
        Row("pointer events that changed the mask", len(seen["strokes"]), ""),
        Row("computations", runs, "", len(seen["strokes"]) - 1),
        Row("events or releases never answered", lost, "", 0),
    ]


def _share(values: list[float], share: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def setting(model: str, browser: str) -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    names = ("mimviz", "torch", "timm", "anywidget", "ipywidgets", "jupyterlab", "ipykernel")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
    return (
        f"model {model}; Chromium {browser}; Python {platform.python_version()}, {versions}\n"
        f"{cpu}, {os.cpu_count()} cores, load {load}, OMP_NUM_THREADS {threads}, {platform.platform()}"
    )


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _version(name: str) -> str:
    try:
        return version(name)
    except Exception:
        return "(not installed)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--model", default="tiny", help='a name or file for load_mim, or "untrained"')
    options = parser.parse_args()
    seen, reports, sizes, browser = measure(options.model, options.seconds)
    print(setting(options.model, browser))
    rows = table(seen, reports, sizes)
    print(*rows, sep="\n")
    missed = [row.what for row in rows if row.missed]
    print(f"missed: {'; '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
